use traitwire::rpc_service;

#[rpc_service]
trait Service {
    #[rpc(timeout)]
    async fn missing(&self);
    #[rpc(idempotent = true)]
    async fn surplus(&self);
    #[rpc(oneway(now))]
    async fn list(&self);
    #[rpc(timeout = 5)]
    async fn number(&self);
    #[rpc(elements = "many")]
    async fn text(&self);
    #[rpc(name = NAME)]
    async fn path(&self);
}

fn main() {}
