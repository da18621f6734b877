use traitwire::rpc_service;

#[rpc_service]
trait Service {
    const fn method(&self) -> u8;
}

fn main() {}
