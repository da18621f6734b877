use traitwire::rpc_service;

#[rpc_service]
trait Service {
    async fn method(a: u8) -> u8;
    async fn nothing();
}

fn main() {}
