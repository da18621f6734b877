use serde::{Deserialize, Serialize};
use traitwire::rpc_service;

#[derive(Serialize)]
struct Out(u8);

#[derive(Deserialize)]
struct In(u8);

#[rpc_service]
trait Service {
    async fn method(&self, a: Out) -> In;
}

fn main() {
    let _ = (Out(1).0, In(1).0);
}
