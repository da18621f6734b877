use traitwire::rpc_service;

#[rpc_service]
trait Service {
    async fn method(&'static self) -> u8;
}

fn main() {}
