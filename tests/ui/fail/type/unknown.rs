use traitwire::rpc_service;

#[rpc_service]
trait Service {
    async fn method(&self, a: Missing) -> u8;
    async fn answer(&self) -> AlsoMissing;
}

fn main() {}
