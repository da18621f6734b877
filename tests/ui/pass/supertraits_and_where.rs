use std::fmt::{Debug, Display};

use traitwire::rpc_service;

pub trait Named<T> {
    fn name(&self) -> T;
}

#[rpc_service]
pub trait Service: Debug + Named<String> + for<'a> PartialEq<&'a str> + Send + Sync + 'static
where
    Self: Clone,
    Vec<Self>: Debug,
    String: Display,
{
    async fn method(&self) -> Result<u8, String>
    where
        Self: Sync + Sized;
}

#[derive(Clone, Debug)]
struct Basic;

impl Named<String> for Basic {
    fn name(&self) -> String {
        String::new()
    }
}

impl PartialEq<&str> for Basic {
    fn eq(&self, _: &&str) -> bool {
        false
    }
}

impl Service for Basic {
    async fn method(&self) -> Result<u8, String> {
        Ok(1)
    }
}

fn main() {
    let _ = ServiceServer::new(Basic);
    let _ = || drop(ServiceClient::loopback(Basic).method());
}
