use traitwire::rpc_service;

#[rpc_service]
trait Service {
    pub async fn method(&self) -> u8;
}

fn main() {}
