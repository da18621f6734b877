use traitwire::rpc_service;

#[rpc_service]
trait Service {
    async fn method(&self, a: &dyn std::fmt::Debug, b: Box<dyn Send>) -> u8;
}

fn main() {}
