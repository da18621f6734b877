use serde::{Deserialize, Serialize};
use traitwire::rpc_service;

#[derive(Deserialize, Serialize)]
struct Query<'a> {
    key: &'a str,
}

#[rpc_service]
trait Service {
    async fn method(&self, query: Query) -> u8;
}

fn main() {
    let _ = Query { key: "" }.key;
}
