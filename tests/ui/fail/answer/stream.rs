use traitwire::rpc_service;

#[rpc_service]
trait Service {
    fn plain(&self) -> impl Stream<Item = u8>;
    async fn opened(&self) -> Result<impl Stream<Item = u8>, String>;
}

fn main() {}
