use traitwire::{RpcError, Stream, rpc_service};

#[derive(serde::Deserialize, serde::Serialize)]
struct Wrong;

impl From<RpcError> for Wrong {
    fn from(_: RpcError) -> Self {
        Self
    }
}

// Made of nothing: what others are made of depends on which crates there are.
#[derive(serde::Deserialize, serde::Serialize)]
struct Refusal;

#[rpc_service]
trait Items {
    fn ticks(&self) -> impl Stream<Item = u8>;
}

#[rpc_service]
trait Opened {
    async fn open(&self) -> impl Stream<Item = Result<u8, Wrong>>;
}

#[rpc_service]
trait Errors {
    async fn open(&self) -> Result<impl Stream<Item = Result<u8, Wrong>>, Refusal>;
}

fn items(_: impl Items) {}
fn opened(_: impl Opened) {}
fn errors(_: impl Errors) {}

fn check(a: ItemsClient, b: OpenedClient, c: ErrorsClient) {
    items(a);
    opened(b);
    errors(c);
}

fn main() {}
