use std::sync::Arc;

use traitwire::{Call, Caller, Client, Handler, RpcError, Service as _, rpc_service};

#[rpc_service]
pub trait Service {
    async fn plain(&self, a: &str) -> u8;
    async fn fallible(&self, a: &[u8]) -> Result<Vec<u8>, String>;
}

fn is_send<T: Send>(value: T) -> T {
    value
}

fn futures<T: Service + Send + Sync + 'static>(service: Arc<T>) -> impl Send + 'static {
    is_send(async move { (service.plain("").await, service.fallible(&[]).await) })
}

fn handler<T: Service + Send + Sync + 'static>(service: T) -> impl Handler {
    let server = ServiceServer::new(service);
    let _ = server.descriptor();
    server
}

fn calls<C: Caller>(client: &ServiceClient<C>) -> (Call<C, u8>, Call<C, Vec<u8>, String>) {
    (client.plain(""), client.fallible(&[]))
}

async fn awaited<C: Caller>(client: ServiceClient<C>) -> Result<u8, RpcError> {
    Ok(client.plain("").await? + client.clone().plain("").await?)
}

fn spawned<C: Caller>(client: ServiceClient<C>) -> impl Future<Output = Result<u8, RpcError>> + Send + 'static {
    is_send(awaited(client))
}

fn by_trait<T: Client>(caller: T::Caller) -> (T, &'static str) {
    (T::from_caller(caller), T::DESCRIPTOR.name)
}

struct Basic;

impl Service for Basic {
    async fn plain(&self, _: &str) -> u8 {
        1
    }
    async fn fallible(&self, _: &[u8]) -> Result<Vec<u8>, String> {
        Ok(vec![])
    }
}

fn main() {
    let _ = (futures::<Basic>, handler::<Basic>);
    let _ = (calls::<traitwire::Channel>, spawned::<traitwire::Channel>, by_trait::<ServiceClient>);
}
