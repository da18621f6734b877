use std::borrow::Cow;

use traitwire::{Stream, Streaming, rpc_service};

#[rpc_service]
trait Service {
    fn text(&self) -> impl Stream<Item = &str>;
    async fn opened(&self) -> Result<impl Stream<Item = Result<&'static str, String>>, String>;
    fn cow(&self) -> impl Stream<Item = Cow<'_, str>>;
    async fn error(&self) -> Result<impl Stream<Item = u8>, &str>;
    async fn sent(&self, values: Streaming<&str>);
    async fn sent_cow(&self, values: Streaming<Cow<'_, str>>);
}

fn main() {}
