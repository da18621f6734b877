use traitwire::rpc_service;

#[rpc_service]
trait Service {
    async extern "C" fn method(&self) -> u8;
}

fn main() {}
