use traitwire::rpc_service;

#[rpc_service]
trait Service {
    async fn method(&self) -> Box<dyn std::error::Error>;
}

fn main() {}
