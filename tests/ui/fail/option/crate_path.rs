use traitwire::rpc_service;

#[rpc_service(crate = "not a path")]
trait Service {
    async fn method(&self);
}

fn main() {}
