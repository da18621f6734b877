//! The node through its own client, under a clock that stands still.

use std::fs;

use futures::StreamExt;

use super::*;
use crate::registry::service::RegistryClient;

fn endpoint(port: u16) -> Endpoint {
    Endpoint::new(&format!("h:{port}")).unwrap()
}

fn services(name: &str) -> Vec<String> {
    vec![name.to_owned()]
}

fn ports(endpoints: &[Endpoint]) -> String {
    let last = |endpoint: &Endpoint| endpoint.address().rsplit(':').next().unwrap().to_owned();
    endpoints.iter().map(last).collect::<Vec<_>>().join(" ")
}

async fn settled(builder: NodeBuilder) -> (Node, RegistryClient) {
    let node = builder.grace(Duration::ZERO).start().await.unwrap();
    (node.clone(), RegistryClient::loopback(node))
}

#[tokio::test(start_paused = true)]
async fn who_watches_gets_the_whole_list_then_what_changes() {
    let (_node, client) = settled(Node::builder()).await;
    let first = client.register(services("A"), endpoint(1), 10_000).await.unwrap();
    assert_eq!(first.ttl_ms, 10_000);
    let mut changes = client.watch("A".to_owned()).await.unwrap();
    let change = changes.next().await.unwrap().unwrap();
    assert_eq!((change.whole, change.settled, ports(&change.set).as_str()), (true, true, "1"));

    // Two that come together are one change; another service is none.
    client.register(services("B"), endpoint(9), 10_000).await.unwrap();
    let second = client.register(services("A"), endpoint(2).with_weight(7), 300_000_000).await.unwrap();
    assert_eq!(second.ttl_ms, 300_000, "five minutes are the most");
    client.register(services("A"), endpoint(3), 10_000).await.unwrap();
    let change = changes.next().await.unwrap().unwrap();
    assert_eq!((change.whole, ports(&change.set).as_str(), change.set[0].weight()), (false, "2 3", 7));
    client.deregister(second.lease).await.unwrap();
    assert_eq!(changes.next().await.unwrap().unwrap().gone, ["tcp://h:2"]);
    assert_eq!(ports(&client.list("A").await.unwrap()), "1 3");
    assert_eq!(client.services().await.unwrap(), [("A".to_owned(), 2), ("B".to_owned(), 1)]);

    // Only one of them is renewed, and while nothing changes there are beats.
    sleep(Duration::from_secs(6)).await;
    client.renew(first.lease).await.unwrap();
    let change = changes.next().await.unwrap().unwrap();
    assert_eq!(change.gone, ["tcp://h:3"]);
    client.renew(first.lease).await.unwrap();
    client.register(services("B"), endpoint(8), 10_000).await.unwrap();
    let began = now();
    let beat = changes.next().await.unwrap().unwrap();
    assert_eq!(
        (beat, now() - began <= limits::REGISTRY_BEAT),
        (Change { settled: true, ..Change::default() }, true)
    );
    sleep(Duration::from_secs(10)).await;
    let error = client.renew(first.lease).await.unwrap_err();
    assert!(matches!(error, crate::CallError::App(RegistryError::UnknownLease)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn only_so_many_may_watch() {
    let (_node, client) = settled(Node::builder().watchers(1)).await;
    let first = client.watch("A".to_owned()).await.unwrap();
    let error = client.watch("A".to_owned()).await.unwrap_err().to_string();
    assert!(error.contains("1 watch already (`watchers`)"), "{error}");
    drop(first);
    while client.watch("A".to_owned()).await.is_err() {
        sleep(Duration::from_millis(1)).await;
    }
    assert!(
        client.watch("A/B".to_owned()).await.unwrap_err().to_string().contains("not the name of a service")
    );
}

#[tokio::test]
async fn a_node_that_comes_back_gives_servers_time_and_says_that_it_may_not_know_all() {
    let file = std::env::temp_dir().join(format!("traitwire-registry-{}", std::process::id()));
    let _ = fs::remove_file(&file);
    let (node, client) = settled(Node::builder().snapshot(&file)).await;
    let kept = client.register(services("A"), endpoint(1), 5_000).await.unwrap();
    while !fs::read_to_string(&file).is_ok_and(|text| text.contains("tcp://h:1")) {
        sleep(Duration::from_millis(5)).await;
    }
    drop((node, client));

    // Killed there, and started again: the lease is as good as it was, for the grace at least.
    let node = Node::builder().snapshot(&file).grace(Duration::from_secs(2)).start().await.unwrap();
    let client = RegistryClient::loopback(node);
    let mut changes = client.watch("A".to_owned()).await.unwrap();
    let change = changes.next().await.unwrap().unwrap();
    assert_eq!((change.whole, change.settled, ports(&change.set).as_str()), (true, false, "1"));
    client.renew(kept.lease).await.unwrap();
    client.register(services("A"), endpoint(2), 1_000).await.unwrap();
    assert_eq!(ports(&changes.next().await.unwrap().unwrap().set), "2");
    // The second one runs out, which is known for sure; then the node has settled, and says so with all it knows.
    let mut gone = Vec::new();
    let whole = loop {
        client.renew(kept.lease).await.unwrap();
        let change = changes.next().await.unwrap().unwrap();
        if change.settled {
            break change;
        }
        gone.extend(change.gone);
    };
    assert_eq!((gone, whole.whole, ports(&whole.set).as_str()), (services("tcp://h:2"), true, "1"));

    fs::write(&file, "something else").unwrap();
    let error = Node::builder().snapshot(&file).start().await.unwrap_err().to_string();
    assert!(error.contains(file.to_str().unwrap()) && error.contains("does not begin with"), "{error}");
    fs::remove_file(&file).unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_kept_is_kept_later() {
    let folder = std::env::temp_dir().join(format!("traitwire-registry-late-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    let file = folder.join("leases");
    let (_node, client) = settled(Node::builder().snapshot(&file)).await;
    client.register(services("A"), endpoint(1), 300_000).await.unwrap();
    sleep(limits::REGISTRY_SAVE * 3).await;
    assert!(!file.exists());
    fs::create_dir_all(&folder).unwrap();
    sleep(limits::REGISTRY_BEAT * 2).await;
    assert!(fs::read_to_string(&file).unwrap().contains("tcp://h:1"));
    fs::remove_dir_all(&folder).unwrap();
}
