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

async fn call(client: &ServiceClient) {
    let _ = client.add("one", 2).await;
    let _ = client.add(1).await;
    let _ = client.find(String::from("x")).await;
}

fn main() {
    let _ = call;
}
