use traitwire::rpc_service;

#[rpc_service]
trait Service {
    async fn put(&self, #[rpc(key)] table: &str, #[rpc(key)] row: u64, #[rpc(key = "x")] value: u8);
}

fn main() {}
