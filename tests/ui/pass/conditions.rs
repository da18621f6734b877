#![deny(warnings)]

#[traitwire::rpc_service]
trait Service {
    #[cfg(any())]
    async fn gone(&self, a: Missing) -> Missing;
    #[cfg(any())]
    async fn gone_too(&self) -> Result<Missing, Missing>;
    #[cfg(all())]
    async fn there(&self) -> Result<u8, String>;
    #[cfg(true)]
    async fn literal(&self) -> Result<u8, String>;
    #[cfg_attr(all(), cfg(any()))]
    async fn nested(&self) -> Result<Missing, Missing>;
    #[cfg(not(any()))]
    async fn either(&self, a: u8) -> Result<u8, String>;
    #[cfg(any())]
    async fn either(&self, a: Missing) -> Result<Missing, Missing>;
}

#[cfg(any())]
#[traitwire::rpc_service]
trait Before {
    async fn gone(&self, a: Missing) -> Missing;
}

#[traitwire::rpc_service]
#[cfg(any())]
trait Behind {
    async fn gone(&self, a: Missing) -> Missing;
}

fn main() {
    let _ = |client: &ServiceClient| drop((client.there(), client.literal(), client.either(1)));
}
