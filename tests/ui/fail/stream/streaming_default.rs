use traitwire::{Streaming, rpc_service};

#[rpc_service]
trait Service {
    async fn sum(&self, #[rpc(default)] a: Option<u8>, #[rpc(default)] values: Streaming<u8>) -> u8;
}

fn main() {}
