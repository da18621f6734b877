use std::pin::Pin;

use traitwire::{Stream, rpc_service};

#[rpc_service]
trait Service {
    async fn list(&self) -> Vec<impl Stream<Item = u8>>;
    async fn maybe(&self) -> Option<impl Stream<Item = u8>>;
    async fn pair(&self) -> (u8, impl Stream<Item = u8>);
    async fn error(&self) -> Result<u8, impl Stream<Item = u8>>;
    async fn alias(&self) -> std::io::Result<impl Stream<Item = u8>>;
    async fn maybe_in_result(&self) -> Result<Option<impl Stream<Item = u8>>, String>;
    fn items(&self) -> impl Stream<Item = impl Stream<Item = u8>>;
    async fn boxed(&self) -> Pin<Box<dyn Stream<Item = u8>>>;
}

fn main() {}
