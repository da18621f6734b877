use traitwire::{Stream, Streaming, rpc_service};

#[rpc_service]
trait Service {
    async fn plain(&self) -> Streaming<u8>;
    async fn result(&self) -> Result<Streaming<u8>, String>;
    fn item(&self) -> impl Stream<Item = Streaming<u8>>;
}

fn main() {}
