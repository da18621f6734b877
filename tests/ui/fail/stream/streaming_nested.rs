use traitwire::{Streaming, rpc_service};

#[rpc_service]
trait Service {
    async fn maybe(&self, values: Option<Streaming<u8>>);
    async fn list(&self, values: Vec<Streaming<u8>>);
    async fn lent(&self, values: &Streaming<u8>);
    async fn twice(&self, values: Streaming<Streaming<u8>>);
    async fn pair(&self, values: (u8, traitwire::Streaming<u8>));
}

fn main() {}
