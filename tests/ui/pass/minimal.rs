#[traitwire::rpc_service]
trait Service {
    async fn method(&self);
}

fn main() {}
