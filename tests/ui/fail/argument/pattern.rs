use traitwire::rpc_service;

#[rpc_service]
trait Service {
    async fn method(&self, (a, b): (u8, u8)) -> u8;
    async fn other(&self, [a, ..]: [u8; 4]) -> u8 {
        a
    }
}

fn main() {}
