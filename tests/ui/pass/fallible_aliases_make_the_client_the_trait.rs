use traitwire::{Caller, RpcError, rpc_service};

#[derive(serde::Deserialize, serde::Serialize)]
struct Wrong;

impl From<RpcError> for Wrong {
    fn from(_: RpcError) -> Self {
        Self
    }
}

type Answer = Result<u8, Wrong>;

#[rpc_service]
trait Store {
    async fn get(&self) -> Answer;
    async fn put(&self) -> Result<(), Wrong>;
}

fn use_it(_: impl Store) {}

fn generic<C: Caller>(client: StoreClient<C>)
where
    Wrong: From<C::Error>,
{
    use_it(client);
}

fn check(client: StoreClient) {
    generic(client.clone());
    use_it(client);
}

fn main() {
    let _ = (check, Wrong);
}
