#![deny(warnings)]

mod client_only {
    #[traitwire::rpc_service]
    pub(crate) trait Service {
        async fn used(&self) -> u8;
        async fn unused(&self, a: &str, b: Vec<u8>) -> Result<u8, String>;
    }
}

mod server_only {
    #[traitwire::rpc_service]
    pub(crate) trait Service {
        async fn unused(&self, a: &str) -> u8;
    }

    pub(crate) struct Basic;

    impl Service for Basic {
        async fn unused(&self, a: &str) -> u8 {
            u8::try_from(a.len()).unwrap_or(0)
        }
    }
}

fn main() {
    let _ = |client: client_only::ServiceClient| drop(client.used());
    let _ = |client: &dyn Fn(server_only::ServiceServer<server_only::Basic>)| {
        client(server_only::ServiceServer::new(server_only::Basic));
    };
}
