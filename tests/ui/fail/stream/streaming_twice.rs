use traitwire::{Streaming, rpc_service};

#[rpc_service]
trait Service {
    async fn zip(&self, a: Streaming<u8>, n: u8, b: Streaming<String>, c: traitwire::Streaming<u8>) -> u8;
}

fn main() {}
