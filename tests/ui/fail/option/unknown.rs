use traitwire::rpc_service;

#[rpc_service]
trait Service {
    #[rpc(idempotant)]
    async fn typo(&self);
    #[rpc(sticky(key = 3), stale = "1s")]
    async fn later(&self);
    async fn argument(&self, #[rpc(defualt)] a: u8);
}

fn main() {}
