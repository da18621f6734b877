use traitwire::rpc_service;

#[rpc_service]
trait Service {
    async fn first(&self);
    #[rpc(name = "first")]
    async fn second(&self);
}

fn main() {}
