use traitwire::{Stream, rpc_service};

type Fallible<T> = Result<T, String>;

#[rpc_service]
trait Feed {
    async fn open(&self) -> Fallible<impl Stream<Item = u32>>;
    async fn read(&self) -> std::io::Result<impl Stream<Item = u8>>;
    async fn both(&self) -> anyhow::Outcome<impl Stream<Item = u8>, String>;
}

fn main() {}
