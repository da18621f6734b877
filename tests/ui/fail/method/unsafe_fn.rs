use traitwire::rpc_service;

#[rpc_service]
trait Service {
    async unsafe fn method(&self) -> u8;
}

fn main() {}
