use traitwire::rpc_service;

#[rpc_service]
trait Service {
    type Item;
    async fn method(&self) -> u8;
}

fn main() {}
