use traitwire::rpc_service;

#[rpc_service]
trait Service {
    #[rpc(elements = 0)]
    async fn none(&self);
    #[rpc(elements = 5_000_000_000)]
    async fn many(&self);
    #[rpc(elements = -1)]
    async fn negative(&self);
}

fn main() {}
