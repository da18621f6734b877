use std::sync::Arc;

use traitwire::rpc_service;

#[rpc_service]
trait Service {
    async fn method(&self, a: &str) -> Result<u8, String>;
}

impl<T: Service + Send + Sync> Service for Arc<T> {
    async fn method(&self, a: &str) -> Result<u8, String> {
        (**self).method(a).await
    }
}

trait Base: Send + Sync {}

#[rpc_service]
trait Derived {
    async fn derived(&self) -> Result<u8, String>;
}

impl<T: Base> Derived for T {
    async fn derived(&self) -> Result<u8, String> {
        Ok(1)
    }
}

fn main() {}
