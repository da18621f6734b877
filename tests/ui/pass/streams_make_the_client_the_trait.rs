//! Where every item and every opening may fail, the client is the trait.
#![deny(warnings, refining_impl_trait)]

use std::pin::pin;

use futures::{StreamExt, stream};
use traitwire::{Caller, RpcError, Stream, Streaming, rpc_service};

#[derive(Debug, serde::Deserialize, serde::Serialize)]
struct Wrong;

impl From<RpcError> for Wrong {
    fn from(_: RpcError) -> Self {
        Self
    }
}

#[derive(Debug, serde::Deserialize, serde::Serialize)]
struct Other;

impl From<RpcError> for Other {
    fn from(_: RpcError) -> Self {
        Self
    }
}

type Answer = Result<u8, Wrong>;

#[rpc_service]
trait Store {
    fn all(&self, prefix: &str) -> impl Stream<Item = Result<String, Wrong>>;
    fn answers(&self) -> impl Stream<Item = Answer>;
    async fn open(&self, name: &str, list: &[String]) -> Result<impl Stream<Item = Answer>, Other>;
    async fn put(&self, rows: Streaming<u8>, name: &str) -> Answer;
    fn both(&self, rows: Streaming<u8>) -> impl Stream<Item = Answer>;
    async fn load(&self, name: &str, rows: Streaming<u8>) -> Result<impl Stream<Item = Result<u8, Other>>, Wrong>;
    #[cfg(any())]
    fn gone(&self) -> impl Stream<Item = Gone>;
    #[cfg(all())]
    async fn here(&self) -> Result<impl Stream<Item = Answer>, Other>;
    #[cfg(any())]
    async fn gone_too(&self) -> Result<impl Stream<Item = Gone>, Missing>;
}

async fn use_it(store: impl Store + Send + Sync) -> Result<u8, Wrong> {
    let mut all = pin!(store.all("a"));
    while let Some(name) = all.next().await {
        let name = name?;
        let Ok(opened) = store.open(&name, &[]).await else { break };
        let _ = pin!(opened).next().await;
    }
    let opened = store.load("b", stream::iter([1]).into()).await?;
    let _ = pin!(opened).next().await;
    let _ = pin!(store.both(stream::iter([1]).into())).next().await;
    store.put(stream::iter([1]).into(), "c").await
}

fn generic<C: Caller>(client: StoreClient<C>) -> impl Future + Send
where
    Wrong: From<C::Error>,
    Other: From<C::Error>,
{
    use_it(client)
}

fn check(client: StoreClient) {
    drop(generic(client.clone()));
    drop(use_it(client.clone()));
    drop((client.answers(), client.here()));
}

fn main() {
    let _ = (check, Wrong, Other);
}
