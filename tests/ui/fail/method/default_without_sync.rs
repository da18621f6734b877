use traitwire::rpc_service;

#[rpc_service]
trait Service {
    async fn base(&self) -> u8;
    async fn method(&self) -> u8 {
        self.base().await
    }
}

fn main() {}
