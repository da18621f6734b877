use traitwire::rpc_service;

struct Opaque;

type Answer = Result<u8, Opaque>;

#[rpc_service]
trait Service {
    async fn value(&self) -> Result<Opaque, String>;
    async fn error(&self) -> Result<u8, Opaque>;
    async fn alias(&self) -> Answer;
}

fn main() {
    let _ = Opaque;
}
