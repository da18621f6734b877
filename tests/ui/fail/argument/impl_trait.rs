use traitwire::rpc_service;

#[rpc_service]
trait Service {
    async fn method(&self, a: impl Into<String>) -> u8;
    async fn nested(&self, a: Option<impl Clone>) -> u8;
}

fn main() {}
