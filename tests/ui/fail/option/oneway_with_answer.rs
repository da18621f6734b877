use traitwire::rpc_service;

#[rpc_service]
trait Service {
    #[rpc(oneway)]
    async fn method(&self) -> u8;
    #[rpc(oneway)]
    async fn fallible(&self) -> Result<(), String>;
    #[rpc(oneway)]
    async fn unit(&self) -> ();
}

fn main() {}
