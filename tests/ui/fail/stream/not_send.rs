use std::rc::Rc;

use futures::stream;
use traitwire::{Stream, rpc_service};

#[rpc_service]
trait Service {
    fn ticks(&self) -> impl Stream<Item = u8>;
    async fn open(&self) -> Result<impl Stream<Item = u8>, String>;
}

struct Basic;

impl Service for Basic {
    fn ticks(&self) -> impl Stream<Item = u8> {
        let count = Rc::new(1);
        stream::iter(std::iter::from_fn(move || Some(*count)))
    }
    async fn open(&self) -> Result<impl Stream<Item = u8>, String> {
        let count = Rc::new(1);
        Ok(stream::iter(std::iter::from_fn(move || Some(*count))))
    }
}

fn main() {}
