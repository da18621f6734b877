use traitwire::rpc_service;

#[rpc_service]
trait Service {
    async fn method(&self, numbers: ...) -> u8;
}

fn main() {}
