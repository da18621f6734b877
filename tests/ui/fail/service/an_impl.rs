use traitwire::rpc_service;

struct Basic;

#[rpc_service]
impl Basic {
    async fn method(&self) {}
}

fn main() {
    let _ = Basic.method();
}
