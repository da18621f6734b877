use traitwire::rpc_service;

#[rpc_service]
trait Service {
    async fn boxed(self: Box<Self>) -> u8;
    async fn shared(self: &Self) -> u8;
}

fn main() {}
