use traitwire::rpc_service;

struct Opaque;

#[rpc_service]
trait Service {
    async fn lent(&self, opaque: &Opaque) -> u8;
    async fn slice(&self, opaque: &[Opaque]) -> u8;
    async fn view(&self, opaque: Option<(&str, Opaque)>) -> u8;
}

fn main() {
    let _ = Opaque;
}
