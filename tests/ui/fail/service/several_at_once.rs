use traitwire::rpc_service;

#[rpc_service(nome = "x", crate = 1)]
trait Service {
    const LIMIT: u8;
    fn late(&self);
    async fn lost();
    #[rpc(idempotent, idempotent, timeout = "1")]
    async fn generic<T>(&mut self, (a, b): (u8, u8), c: impl Into<u8>);
    async fn right(&self) -> u8;
}

fn use_it(client: &ServiceClient) {
    let _ = client.right();
}

fn main() {
    let _ = use_it;
}
