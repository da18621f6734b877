use traitwire::rpc_service;

#[rpc_service]
trait Service {
    async fn method<'a>(&self, a: &'a str) -> u8;
}

fn main() {}
