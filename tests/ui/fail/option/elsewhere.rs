use traitwire::rpc_service;

#[rpc_service(idempotent)]
trait Service {
    #[rpc(default, crate = "x")]
    async fn method(&self, #[rpc(timeout = "1s")] a: u8);
}

fn main() {}
