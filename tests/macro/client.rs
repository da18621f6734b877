//! The client as the trait itself: code written against the trait takes the local object or the remote one.

use std::fmt::Debug;

use serde::{Deserialize, Serialize};
use traitwire::{Code, RpcError, rpc_service};

use crate::caller::InProcess;

#[derive(Debug, Deserialize, PartialEq, Serialize)]
pub(crate) enum StoreError {
    Missing(String),
    Remote(String),
}

impl From<RpcError> for StoreError {
    fn from(error: RpcError) -> Self {
        Self::Remote(error.code().to_string())
    }
}

type Stored = Result<String, StoreError>;

pub(crate) trait Named {
    fn label(&self) -> String;
}

impl<C> Named for StoreClient<C> {
    fn label(&self) -> String {
        "remote".into()
    }
}

#[rpc_service]
pub(crate) trait Store: Named + Debug + Send + Sync + 'static {
    async fn get(&self, key: &str) -> Result<String, StoreError>;
    async fn aliased(&self, key: &str) -> Stored;
    #[cfg(not(any()))]
    async fn present(&self) -> Result<(), StoreError>;
    #[cfg(any())]
    async fn absent(&self) -> Result<(), MissingError>;
    async fn twice(&self, key: &str) -> Result<String, StoreError>
    where
        Self: Sync,
    {
        let once = self.get(key).await?;
        Ok(format!("{once}{once} from {}", self.label()))
    }
}

#[derive(Debug)]
struct Local;

impl Named for Local {
    fn label(&self) -> String {
        "local".into()
    }
}

impl Store for Local {
    async fn get(&self, key: &str) -> Result<String, StoreError> {
        if key.is_empty() { Err(StoreError::Missing("empty".into())) } else { Ok(key.to_uppercase()) }
    }
    async fn aliased(&self, key: &str) -> Stored {
        self.get(key).await
    }
    async fn present(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Knows nothing of the wire.
async fn use_it(store: &impl Store) -> Result<String, StoreError> {
    store.present().await?;
    Ok(store.get("a").await? + &store.aliased("b").await? + &store.twice("c").await?)
}

#[tokio::test]
async fn local_and_remote_are_the_same_to_generic_code() {
    let remote = StoreClient::new(InProcess::new(StoreServer::new(Local)));
    assert_eq!(use_it(&Local).await, use_it(&remote).await);
    // The default body runs where the service is.
    assert_eq!(use_it(&remote).await.unwrap(), "ABCC from local");
    assert_eq!(Store::get(&remote, "").await, Err(StoreError::Missing("empty".into())));
}

#[tokio::test]
async fn a_failed_call_is_the_trait_s_own_error() {
    let nobody = StoreClient::new(InProcess::new(crate::names::ShadowServer::new(crate::names::Basic)));
    assert_eq!(use_it(&nobody).await, Err(StoreError::Remote(Code::UNIMPLEMENTED.to_string())));
}

#[tokio::test]
async fn a_client_of_the_trait_can_be_served_on() {
    let far = StoreClient::new(InProcess::new(StoreServer::new(Local)));
    let near = StoreClient::new(InProcess::new(StoreServer::new(far)));
    assert_eq!(near.twice("x").await.unwrap(), "XX from local");
}

/// Its error is made of nothing, so its client is not the trait, and that hurts nobody.
#[rpc_service]
pub(crate) trait Plain {
    async fn fallible(&self) -> Result<u8, String>;
}

struct Basic;

impl Plain for Basic {
    async fn fallible(&self) -> Result<u8, String> {
        Err("no".into())
    }
}

#[tokio::test]
async fn an_error_without_a_conversion_breaks_nothing() {
    assert_eq!(PlainClient::loopback(Basic).fallible().await.unwrap_err().app().unwrap(), "no");
}
