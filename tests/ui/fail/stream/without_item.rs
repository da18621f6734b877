use traitwire::{Stream, Streaming, rpc_service};

#[rpc_service]
trait Service {
    fn bare(&self) -> impl Stream;
    async fn opened(&self) -> Result<impl Stream, String>;
    fn constrained(&self) -> impl Stream<Item: Send>;
    async fn sent(&self, values: Streaming);
    async fn sent_two(&self, values: Streaming<u8, u8>);
}

fn main() {}
