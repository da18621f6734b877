use traitwire::{Stream, rpc_service};

#[rpc_service]
trait Service {
    async fn some(&self, values: impl Stream<Item = u8> + Send);
    async fn boxed(&self, values: Box<dyn Stream<Item = u8>>);
}

fn main() {}
