use traitwire::{Stream, Streaming, rpc_service};

#[rpc_service]
trait Service {
    fn result(&self) -> Result<impl Stream<Item = u8>, String>;
    fn number(&self) -> u8;
    fn sum(&self, values: Streaming<u8>) -> u8;
    fn iterator(&self) -> impl Iterator<Item = u8>;
}

fn main() {}
