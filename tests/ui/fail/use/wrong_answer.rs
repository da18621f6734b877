use traitwire::rpc_service;

#[rpc_service]
trait Service {
    async fn add(&self, a: i64, b: i64) -> i64;
    async fn find(&self, key: &str) -> Result<u8, String>;
}

struct Basic;

impl Service for Basic {
    async fn add(&self, a: i64, b: i64) -> i64 {
        a + b
    }
    async fn find(&self, key: &str) -> Result<u8, String> {
        Err(key.to_owned())
    }
}

async fn call(client: &ServiceClient) -> Result<String, traitwire::RpcError> {
    Ok(client.add(1, 2).await?)
}

fn main() {
    let _ = call;
}
