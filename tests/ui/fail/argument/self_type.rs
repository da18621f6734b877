use traitwire::rpc_service;

#[rpc_service]
trait Service {
    async fn method(&self, a: Option<Self>) -> Self
    where
        Self: Sized;
}

fn main() {}
