use traitwire::rpc_service;

struct Streaming<T>(T);

#[rpc_service]
trait Service {
    async fn method(&self, a: Streaming<u8>) -> u8;
}

fn main() {}
