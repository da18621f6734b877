//! Code that takes any service with streams.
#![deny(warnings)]

use std::pin::pin;
use std::sync::Arc;

use futures::{StreamExt, stream};
use traitwire::{CallError, Caller, Handler, Stream, Streaming, rpc_service};

#[rpc_service]
pub trait Numbers {
    fn up(&self, from: u32) -> impl Stream<Item = u32>;
    async fn named(&self, name: &str) -> Result<impl Stream<Item = u32>, String>;
    async fn bare(&self, name: &str) -> impl Stream<Item = u32>;
    async fn sum(&self, values: Streaming<u32>) -> Result<u32, String>;
}

fn is_send<T: Send>(value: T) -> T {
    value
}

async fn all<T: Numbers + Send + Sync>(service: &T) -> Result<u32, String> {
    let mut sum = 0;
    let mut up = pin!(is_send(service.up(1)));
    while let Some(value) = up.next().await {
        sum += value;
    }
    let name = "a".to_owned();
    let mut named = pin!(is_send(is_send(service.named(&name)).await?));
    while let Some(value) = named.next().await {
        sum += value;
    }
    sum += Box::pin(service.bare(&name).await).count().await as u32;
    sum += service.sum(stream::iter([1, 2, 3]).into()).await?;
    sum += service.sum(Streaming::fallible(stream::iter([Ok(1)]))).await?;
    Ok(sum)
}

fn spawned<T: Numbers + Send + Sync + 'static>(service: Arc<T>) -> impl Future<Output = Result<u32, String>> + Send + 'static {
    is_send(async move { all(&*service).await })
}

fn handler<T: Numbers + Send + Sync + 'static>(service: T) -> impl Handler {
    NumbersServer::new(service)
}

async fn called<C: Caller>(client: NumbersClient<C>) -> Result<u32, CallError<String>> {
    let mut named = client.named("a").await?;
    let mut sum = 0;
    while let Some(value) = named.next().await {
        sum += value.map_err(|error| CallError::App(error.to_string()))?;
    }
    Ok(sum)
}

fn main() {
    struct Basic;
    impl Numbers for Basic {
        fn up(&self, from: u32) -> impl Stream<Item = u32> {
            stream::iter(from..)
        }
        async fn named(&self, name: &str) -> Result<impl Stream<Item = u32>, String> {
            Ok(stream::iter(name.chars().map(u32::from)))
        }
        async fn bare(&self, name: &str) -> impl Stream<Item = u32> {
            stream::iter(name.chars().map(u32::from))
        }
        async fn sum(&self, values: Streaming<u32>) -> Result<u32, String> {
            Ok(values.count().await as u32)
        }
    }
    let _ = (spawned::<Basic>, handler::<Basic>, |client: NumbersClient| is_send(called(client)));
}
