fn main() {
    use traitwire::rpc_service as service;

    #[derive(serde::Deserialize, serde::Serialize)]
    struct Local;

    #[service]
    trait Service {
        async fn method(&self, local: Local) -> Local;
    }

    {
        struct Local;
        #[service]
        trait Service {
            async fn other(&self) -> u8;
        }
        let _ = (Local, |client: &ServiceClient| drop(client.other()));
    }

    let _ = |client: &ServiceClient| drop(client.method(Local));
    let _ = || {
        #[service(crate = "::traitwire")]
        trait Service {
            async fn inner(&self);
        }
    };
}
