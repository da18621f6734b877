use traitwire::rpc_service;

macro_rules! methods {
    () => {
        fn other(&self);
    };
}

#[rpc_service]
trait Service {
    methods!();
    async fn method(&self) -> u8;
}

fn main() {}
