use traitwire::rpc_service;

#[rpc_service(nome = "x", mock)]
trait Service {
    async fn method(&self);
}

fn main() {}
