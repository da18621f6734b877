//! The directory, with a source that says what the test wants.

use std::fs;
use std::path::Path;

use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::*;
use crate::discovery::Updates;

type Said = Result<Vec<Endpoint>, DiscoveryError>;

/// A source that says what it is told to; once.
struct Told(Mutex<Option<mpsc::UnboundedReceiver<Said>>>);

impl Discovery for Told {
    fn name(&self) -> String {
        "told://calc".to_owned()
    }

    fn watch(&self) -> Updates {
        let told = self.0.lock().take().expect("it is watched once");
        futures::stream::unfold(told, async |mut told| Some((told.recv().await?, told))).boxed()
    }
}

fn start(config: DirectoryConfig) -> (mpsc::UnboundedSender<Said>, Directory) {
    let (sender, told) = mpsc::unbounded_channel();
    (sender, Directory::start(Arc::new(Told(Mutex::new(Some(told)))), config))
}

fn list(ports: &[u16]) -> Vec<Endpoint> {
    ports.iter().map(|port| Endpoint::new(&format!("a:{port}")).unwrap()).collect()
}

fn ports(known: &Known) -> String {
    let ports =
        known.endpoints.iter().map(|endpoint| endpoint.address().rsplit(':').next().unwrap().to_owned());
    ports.collect::<Vec<_>>().join(" ")
}

#[tokio::test(start_paused = true)]
async fn what_was_known_stays_in_force_while_the_source_is_away() {
    let (source, directory) = start(DirectoryConfig::default());
    let mut known = directory.subscribe();
    assert!(known.borrow().age().is_none());
    source.send(Ok(list(&[1, 2]))).unwrap();
    let first = known.wait_for(|known| !known.endpoints.is_empty()).await.unwrap().clone();
    assert_eq!((ports(&first).as_str(), first.age()), ("1 2", Some(Duration::ZERO)));

    source.send(Err(DiscoveryError::new("gone"))).unwrap();
    let away = known.wait_for(|known| known.problem.is_some()).await.unwrap().clone();
    assert_eq!((ports(&away).as_str(), away.problem.unwrap().to_string().as_str()), ("1 2", "gone"));
    source.send(Ok(vec![])).unwrap();
    let told_so =
        |known: &Known| known.problem.as_ref().is_some_and(|error| error.to_string().contains("no endpoint"));
    assert_eq!(ports(&known.wait_for(told_so).await.unwrap()), "1 2");

    tokio::time::advance(Duration::from_secs(7)).await;
    assert_eq!(known.borrow().age(), Some(Duration::from_secs(7)));
    // Two changes at once are one, and the problem is over with the first.
    source.send(Ok(list(&[2]))).unwrap();
    source.send(Ok(list(&[2, 3]))).unwrap();
    let mut seen = Vec::new();
    while ports(&known.borrow()) != "2 3" {
        known.changed().await.unwrap();
        seen.push(ports(&known.borrow()));
    }
    assert_eq!(seen, ["1 2", "2 3"]);
    assert!(known.borrow().problem.is_none());

    // A source that ends against its promise leaves what is known.
    drop(source);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(ports(&known.borrow()), "2 3");
    drop(directory);
    known.changed().await.unwrap_err();
}

#[tokio::test]
async fn a_list_on_disk_is_for_a_start_without_the_source() {
    let file = std::env::temp_dir().join(format!("traitwire-directory-{}", std::process::id()));
    let _ = fs::remove_file(&file);
    let config = DirectoryConfig::default().cache(&file).debounce(Duration::ZERO);
    let (source, directory) = start(config.clone());
    source.send(Ok(list(&[1, 2]))).unwrap();
    let written = "# endpoints of told://calc\ntcp://a:1\ntcp://a:2\n";
    until_it_reads(&file, written).await;
    drop(directory);

    // The source is away at the next start; then it is there again.
    let (source, directory) = start(config.clone());
    let mut known = directory.subscribe();
    source.send(Err(DiscoveryError::new("away"))).unwrap();
    let cold = known.wait_for(|known| known.problem.is_some()).await.unwrap().clone();
    assert_eq!((ports(&cold).as_str(), cold.heard), ("1 2", None));
    source.send(Ok(list(&[3]))).unwrap();
    known.wait_for(|known| ports(known) == "3" && known.problem.is_none()).await.unwrap();

    until_it_reads(&file, "# endpoints of told://calc\ntcp://a:3\n").await;
    // One that could not be read at the next start is not written.
    let large = |port| Endpoint::new(&format!("a:{port}")).unwrap().with_tag("k", &"v".repeat(4_000));
    source.send(Ok((1..=5_000).map(large).collect())).unwrap();
    known.wait_for(|known| known.endpoints.len() == 5_000).await.unwrap();
    sleep_until((now() + limits::COLD_START * 2).into()).await;
    until_it_reads(&file, "# endpoints of told://calc\ntcp://a:3\n").await;
    drop(directory);

    // A source that says nothing at all has a second; and the list of another source is of no use.
    fs::write(&file, written.replace("told", "tale")).unwrap();
    let (_source, directory) = start(config);
    let mut known = directory.subscribe();
    let silent = known.wait_for(|known| known.problem.is_some()).await.unwrap().clone();
    assert_eq!((ports(&silent).as_str(), silent.heard), ("", None));
    assert_eq!(silent.problem.unwrap().to_string(), "told://calc: nothing said within 1s");
    fs::remove_file(&file).unwrap();
}

async fn until_it_reads(file: &Path, text: &str) {
    while fs::read_to_string(file).ok().as_deref() != Some(text) {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
