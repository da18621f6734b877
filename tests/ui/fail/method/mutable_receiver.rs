use traitwire::rpc_service;

#[rpc_service]
trait Service {
    async fn method(&mut self) -> u8;
}

struct Basic;

impl Service for Basic {
    async fn method(&mut self) -> u8 {
        1
    }
}

fn main() {}
