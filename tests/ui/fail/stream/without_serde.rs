use traitwire::{Stream, Streaming, rpc_service};

struct Opaque;

#[rpc_service]
trait Service {
    fn plain(&self) -> impl Stream<Item = Opaque>;
    fn result(&self) -> impl Stream<Item = Result<u8, Opaque>>;
    async fn opened(&self) -> Result<impl Stream<Item = u8>, Opaque>;
    async fn item(&self) -> Result<impl Stream<Item = Opaque>, String>;
    async fn sent(&self, values: Streaming<Opaque>);
}

fn main() {
    let _ = Opaque;
}
