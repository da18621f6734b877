//! A mock is told from other modules than its trait's, whatever is private there.
#![deny(warnings)]

mod contract {
    use serde::{Deserialize, Serialize};

    #[allow(private_interfaces, private_bounds, reason = "on purpose")]
    #[traitwire::rpc_service]
    pub trait Store {
        async fn get(&self, key: &str, at: Place<'_>) -> u64;
        async fn hidden(&self, secret: Secret) -> Secret;
    }

    #[derive(Debug, Deserialize, Serialize)]
    pub struct Place<'a>(pub &'a str);

    #[derive(Debug, Deserialize, Serialize)]
    struct Secret;
}

use contract::{Place, StoreClient};
use traitwire::testing::{Mock, Mockable};

fn told() -> (StoreClient<Mock>, <StoreClient<Mock> as Mockable>::Hand) {
    let (store, mock) = StoreClient::mock();
    mock.get().with(("a", Place("b"))).returns(1);
    mock.get().once().answers(|(key, Place(at))| (key.len() + at.len()) as u64);
    (store, mock)
}

fn main() {
    let (store, mock) = told();
    drop(store.get("a", Place("b")));
    assert!(mock.calls().is_empty());
    std::mem::forget(mock);
}
