use traitwire::rpc_service;

#[rpc_service]
trait Service {
    #[rpc(idempotent, idempotent)]
    async fn once(&self);
    #[rpc(timeout = "1s")]
    #[rpc(timeout = "2s")]
    async fn twice(&self);
}

fn main() {}
