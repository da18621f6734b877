use serde::{Deserialize, Serialize};
use traitwire::rpc_service;

#[derive(Deserialize, Serialize)]
enum StoreError {
    Full,
}

#[rpc_service]
trait Store {
    async fn put(&self, key: &str) -> Result<(), StoreError>;
}

#[rpc_service]
trait Plain {
    async fn size(&self) -> u64;
}

fn use_store(_: &impl Store) {}
fn use_plain(_: &impl Plain) {}

fn check(store: &StoreClient, plain: &PlainClient) {
    use_store(store);
    use_plain(plain);
}

fn main() {
    let _ = (check, StoreError::Full);
}
