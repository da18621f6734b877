use traitwire::rpc_service;

#[rpc_service]
trait Service {
    async fn method(&self, #[rpc(default)] a: u8, b: String, c: Option<u8>) -> u8;
}

fn main() {}
