use traitwire::{Stream, Streaming, rpc_service};

#[rpc_service]
trait Service {
    fn own(&self) -> impl Stream<Item = Self>;
    fn boxed(&self) -> impl Stream<Item = Box<dyn Send>>;
    fn some(&self) -> impl Stream<Item = impl Send>;
    async fn sent(&self, values: Streaming<Box<dyn Send>>);
    async fn sent_some(&self, values: Streaming<impl Send>);
}

fn main() {}
