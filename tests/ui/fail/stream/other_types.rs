//! Types of the user's own that have the names.
use traitwire::rpc_service;

struct Streaming<T>(T);

trait Stream {
    type Item;
}

#[rpc_service]
trait Service {
    async fn sent(&self, values: Streaming<u8>);
    fn returned(&self) -> impl Stream<Item = u8>;
}

fn main() {}
