use traitwire::{Streaming, rpc_service};

#[rpc_service]
trait Service {
    async fn sum(&self, #[rpc(key)] values: Streaming<u8>) -> u8;
}

fn main() {}
