use traitwire::rpc_service;

#[rpc_service]
trait Service<'a, T: 'a> {
    async fn method(&self, a: T) -> &'a T;
}

struct Basic;

impl Service<'static, u8> for Basic {
    async fn method(&self, _: u8) -> &'static u8 {
        &1
    }
}

fn main() {
    let _ = ServiceServer::new(Basic);
}
