use traitwire::{Stream, Streaming, rpc_service};

#[rpc_service]
trait Service {
    #[rpc(oneway)]
    async fn sent(&self, values: Streaming<u8>);
    #[rpc(oneway)]
    fn returned(&self) -> impl Stream<Item = u8>;
    #[rpc(oneway)]
    async fn opened(&self) -> Result<impl Stream<Item = u8>, String>;
    #[rpc(oneway)]
    async fn both(&self, values: Streaming<u8>) -> impl Stream<Item = u8>;
}

fn main() {}
