use serde::{Deserialize, Serialize};
use traitwire::rpc_service;

#[derive(Deserialize, Serialize)]
enum Mode {
    Fast,
}

#[rpc_service]
trait Service {
    async fn method(&self, #[rpc(default)] mode: Mode) -> u8;
}

fn main() {
    let _ = Mode::Fast;
}
