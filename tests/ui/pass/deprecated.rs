#![deny(warnings)]

mod api {
    /// Old.
    #[deprecated(note = "use the new one")]
    #[traitwire::rpc_service]
    pub trait Old {
        async fn method(&self) -> Result<u8, String>;
    }

    #[traitwire::rpc_service]
    pub trait Partly {
        #[deprecated]
        async fn method(&self) -> Result<u8, String>;
    }
}

fn main() {
    #[expect(deprecated)]
    let _ = |client: &api::OldClient| drop(client.method());
    #[expect(deprecated)]
    let _ = |client: &api::PartlyClient| drop(client.method());
}
