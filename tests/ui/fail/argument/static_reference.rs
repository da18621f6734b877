use traitwire::rpc_service;

#[rpc_service]
trait Service {
    async fn method(&self, a: &'static str) -> u8;
}

fn main() {}
