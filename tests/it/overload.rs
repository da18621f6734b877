//! A server that sheds load, from outside: what its callers are told, and that nothing of it is started.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use traitwire::observe::Counters;
use traitwire::policy::limit::{Limit, LimitConfig};
use traitwire::policy::shed::{Shed, ShedConfig};
use traitwire::{CallError, Channel, Code, Delivery, Server, rpc_service};

use crate::support::{Hand, call_within, serve_with};

#[tokio::test(start_paused = true)]
async fn what_is_shed_is_refused_at_once_and_no_handler_is_started() {
    let (counters, shed) =
        (Arc::new(Counters::new()), Shed::new(ShedConfig::new(LimitConfig::concurrency(2))));
    let (observer, layer) = (counters.clone(), shed.layer());
    let server =
        serve_with("mem://shed", Hand::default(), |builder| builder.layer(layer).observer(observer)).await;
    let channel = Channel::connect(&server.uri).await.unwrap();
    let second = Duration::from_secs(1);
    // It has to learn what a call takes.
    call_within(&channel, second, "Hand.sleep", "200").await.unwrap();
    let began = tokio::time::Instant::now();
    let calls = (0..20).map(|_| async {
        let result = call_within(&channel, second, "Hand.sleep", "200").await;
        (result, began.elapsed())
    });
    let results = join_all(calls).await;
    let (answered, refused): (Vec<_>, Vec<_>) = results.into_iter().partition(|(result, _)| result.is_ok());
    // Two at a time, 200 ms each, a second, and a quarter of the wait for what is not foreseen.
    assert_eq!((answered.len(), refused.len()), (8, 12));
    for (error, took) in refused.iter().map(|(result, took)| (result.as_ref().unwrap_err(), took)) {
        assert_eq!((error.code(), error.delivery()), (Code::RESOURCE_EXHAUSTED, Delivery::Refused));
        assert!(error.is_resend() && error.message().contains("the server has enough to do"), "{error}");
        assert!(*took <= Duration::from_millis(5), "{took:?}");
        // Six wait, and the next one would be the seventh: 100 ms each.
        assert_eq!(error.retry_after(), Some(Duration::from_millis(700)));
    }
    assert_eq!(server.ledger.counts(), (9, 9, 0));
    assert_eq!(counters.snapshot().refused["overload"], 12);
    assert_eq!(shed.snapshot().refused, 12);
}

#[rpc_service]
trait Bell {
    async fn ring(&self) -> u8;
}

struct Slow;

impl Bell for Slow {
    async fn ring(&self) -> u8 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        1
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_behind_a_limit_makes_its_calls_in_turn() {
    let server = Server::builder().service(BellServer::new(Slow)).bind("mem://limited").await.unwrap();
    tokio::spawn(server.serve());
    let limit = Limit::new(LimitConfig::concurrency(2).queue(3));
    let bell = BellClient::new(limit.around(Channel::connect("mem://limited").await.unwrap()));
    let began = tokio::time::Instant::now();
    let results = join_all((0..6).map(|_| bell.ring())).await;
    assert_eq!(began.elapsed().as_millis(), 300);
    assert_eq!(results.iter().filter(|result| matches!(result, Ok(1))).count(), 5);
    let Some(Err(CallError::Rpc(error))) = results.into_iter().next_back() else { panic!("one too many") };
    assert_eq!((error.code(), error.delivery()), (Code::RESOURCE_EXHAUSTED, Delivery::NotSent));
}
