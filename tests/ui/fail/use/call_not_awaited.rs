#![deny(unused_must_use)]

use traitwire::rpc_service;

#[rpc_service]
trait Service {
    async fn add(&self, a: i64, b: i64) -> i64;
}

fn call(client: &ServiceClient) {
    client.add(1, 2);
}

fn main() {
    let _ = call;
}
