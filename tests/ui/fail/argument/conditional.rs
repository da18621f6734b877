use traitwire::rpc_service;

#[rpc_service]
trait Service {
    async fn method(&self, always: u8, #[cfg(unix)] here: u8, #[cfg(windows)] there: u8) -> u8;
}

fn main() {}
