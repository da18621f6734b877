use traitwire::rpc_service;

#[rpc_service]
trait Service {
    #[rpc(idempotent oneway)]
    async fn method(&self);
    #[rpc(timeout = )]
    async fn other(&self);
}

fn main() {}
