use std::rc::Rc;

use traitwire::rpc_service;

#[rpc_service]
trait Service {
    async fn method(&self) -> u8;
}

struct Basic;

impl Service for Basic {
    async fn method(&self) -> u8 {
        let shared = Rc::new(1);
        std::future::ready(()).await;
        *shared
    }
}

fn main() {}
