use traitwire::rpc_service;

#[rpc_service(name = "Till")]
#[traitwire::rpc_service]
trait Shop {
    async fn pay(&self, cents: u32) -> u32;
}

struct Counter;

impl Shop for Counter {
    async fn pay(&self, cents: u32) -> u32 {
        cents
    }
}

fn main() {
    let _ = ShopClient::loopback(Counter);
}
