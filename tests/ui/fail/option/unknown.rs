use traitwire::rpc_service;

#[rpc_service]
trait Service {
    #[rpc(idempotant)]
    async fn typo(&self);
    #[rpc(retry(attempts = 3), cache = "1s")]
    async fn later(&self);
    async fn argument(&self, #[rpc(defualt)] a: u8);
}

fn main() {}
