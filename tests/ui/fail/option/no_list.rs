use traitwire::rpc_service;

#[rpc_service]
trait Service {
    #[rpc]
    async fn bare(&self);
    #[rpc()]
    async fn empty(&self);
    #[rpc = "idempotent"]
    async fn equal(&self);
}

fn main() {}
