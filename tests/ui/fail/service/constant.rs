use traitwire::rpc_service;

#[rpc_service]
trait Service {
    const LIMIT: u8;
    async fn method(&self) -> u8;
}

fn main() {}
