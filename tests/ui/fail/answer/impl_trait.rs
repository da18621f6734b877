use traitwire::rpc_service;

#[rpc_service]
trait Service {
    async fn method(&self) -> impl Iterator<Item = u8>;
}

fn main() {}
