use traitwire::rpc_service;

#[rpc_service]
trait Service {
    async fn method(&self, _: u8) -> u8;
}

fn main() {}
