use traitwire::rpc_service;

#[rpc_service]
#[rpc(name = "x")]
trait Service {
    async fn method(#[rpc(default)] &self);
}

fn main() {}
