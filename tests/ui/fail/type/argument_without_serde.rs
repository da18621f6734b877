use traitwire::rpc_service;

struct Opaque;

#[rpc_service]
trait Service {
    async fn method(&self, a: u8, opaque: Opaque) -> u8;
}

fn main() {
    let _ = Opaque;
}
