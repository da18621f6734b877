use traitwire::rpc_service;

#[rpc_service]
trait Service {
    async fn method<T: Clone>(&self, a: T) -> u8;
    async fn sized<const N: usize>(&self, a: [u8; N]) -> u8;
}

fn main() {}
