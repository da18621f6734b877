use traitwire::rpc_service;

struct Opaque;

#[rpc_service]
trait Service {
    async fn plain(&self) -> Opaque;
    async fn listed(&self) -> Vec<Opaque>;
}

fn main() {
    let _ = Opaque;
}
