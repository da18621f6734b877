//! Quotas over a real connection: one caller is over his, others on the same server notice nothing, and each refusal is counted.

use std::sync::Arc;

use futures::future::join_all;
use traitwire::observe::Counters;
use traitwire::policy::access::{Authenticate, StaticTokens};
use traitwire::policy::quota::{Quota, Quotas};
use traitwire::{CallOptions, Caller, Channel, Code, Delivery, Identity, Server, Token};

use super::support::{Hand, request};

#[tokio::test]
async fn a_caller_beyond_his_quota_is_refused_and_others_are_not() {
    let of = |name: &str| Token::new(format!("token-of-{name}")).unwrap();
    let tokens = StaticTokens::new()
        .with(&of("ada"), Identity::new(["user:ada"]))
        .with(&of("eve"), Identity::new(["user:eve"]))
        .with(&of("job"), Identity::new(["user:job"]).with_roles(["batch"]));
    let (counters, hand) = (Arc::new(Counters::new()), Hand::default());
    let ledger = Arc::clone(&hand.ledger);
    let quotas = Quotas::new(Quota::in_flight(4)).except(["role:batch"], Quota::in_flight(1)).unwrap();
    let server = Server::builder()
        .service(hand)
        .observer(counters.clone())
        .layer(quotas.layer())
        .layer(move |inner| Authenticate::by(tokens).around(inner))
        .bind("mem://quotas")
        .await
        .unwrap();
    tokio::spawn(server.serve());
    let channels =
        [Channel::connect("mem://quotas").await.unwrap(), Channel::connect("mem://quotas").await.unwrap()];
    // Each of them over two connections, which makes no difference.
    let burst = |name: &'static str, calls: usize| {
        let calls = (0..calls).map(|at| {
            let options = CallOptions::new().token(&of(name));
            channels[at % 2].call(request("Hand.sleep", "50").with_options(&options))
        });
        join_all(calls.collect::<Vec<_>>())
    };
    let (ada, eve, job) = tokio::join!(burst("ada", 10), burst("eve", 4), burst("job", 3));
    let answered =
        |outcomes: &[traitwire::CallResult]| outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!([answered(&ada), answered(&eve), answered(&job)], [4, 4, 1]);
    let refusals: Vec<_> = ada.into_iter().chain(job).filter_map(Result::err).collect();
    for error in &refusals {
        assert_eq!(
            (error.code(), error.delivery()),
            (Code::RESOURCE_EXHAUSTED, Delivery::Refused),
            "{error}"
        );
        assert!(error.retry_after().is_some_and(|later| !later.is_zero()), "{error:?}");
        assert!(error.message().starts_with("the quota is used up: user:"), "{error}");
    }
    assert_eq!(refusals.len(), 8);
    assert_eq!(ledger.counts().0, 9, "what is refused does not run");
    assert_eq!(counters.snapshot().refused["overload"], 8);
    assert_eq!(quotas.snapshot().refused, 8);
    assert_eq!(answered(&burst("ada", 4).await), 4, "all places are free again");
}
