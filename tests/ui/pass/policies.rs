use std::io;

use serde::{Deserialize, Serialize};
use traitwire::{Stream, Streaming, rpc_service};

#[derive(Debug, Serialize, Deserialize)]
pub enum StoreError {
    Busy { until: u64 },
    Lost,
}

impl StoreError {
    const fn is_busy(&self) -> bool {
        matches!(self, Self::Busy { .. })
    }
}

const fn method(error: &i32) -> bool {
    *error == 8
}

type Answer<T> = Result<T, StoreError>;

#[rpc_service]
pub trait Store {
    #[rpc(idempotent, retry)]
    async fn plain(&self) -> u8;
    #[rpc(idempotent, retry(attempts = 5, base = "10ms", cap = "1s", backoff = "equal"), hedge(after = "20ms"))]
    async fn all(&self, key: &str) -> Answer<u8>;
    #[rpc(idempotent, retry(backoff = "proportional", alpha = 2, t_max = "5s"), hedge(percentile = 99.9))]
    async fn proportional(&self);
    #[rpc(idempotent, retry(backoff = "proportional"), hedge(percentile = 90, after = "1ms"))]
    async fn short(&self);
    #[rpc(idempotent, retry, retry_on = StoreError::is_busy)]
    async fn path(&self) -> Result<u8, StoreError>;
    #[rpc(retry_on = |error| matches!(error, StoreError::Busy { until } if *until < 10))]
    async fn closure(&self) -> Answer<u8>;
    #[rpc(idempotent, retry, retry_on = |error| *error == 7)]
    async fn foreign(&self) -> Result<u8, i32>;
    #[rpc(idempotent, retry, retry_on = method)]
    async fn named(&self) -> Result<u8, i32>;
    #[rpc(idempotent, retry(backoff = "decorrelated"), retry_on = StoreError::is_busy)]
    async fn opened(&self) -> Result<impl Stream<Item = u8>, StoreError>;
    #[rpc(idempotent, retry(backoff = "grpc"))]
    async fn upload(&self, parts: Streaming<u8>) -> u64;
    #[rpc(allow = "admin")]
    async fn for_one_role(&self);
    #[rpc(idempotent, allow("admin", "spiffe://shop/ops", "eu-west_1.ops"), retry)]
    async fn for_some_roles(&self) -> u8;
    #[rpc(idempotent, cache(ttl = "5s"))]
    async fn kept(&self) -> Answer<u8>;
    #[rpc(idempotent, cache)]
    async fn kept_if_asked(&self) -> u8;
    #[rpc(idempotent, retry, cache(ttl = "5s", errors = "1s", stale_if_error = "1h"))]
    async fn kept_long(&self, key: &str) -> u8;
    #[rpc(dedup, retry)]
    async fn pay(&self, amount: u64) -> Answer<u8>;
    #[rpc(dedup)]
    async fn pay_if_asked(&self, amount: u64);
    #[rpc(idempotent, hedge, retry)]
    fn items(&self) -> impl Stream<Item = Result<u8, StoreError>>;
}

fn main() -> io::Result<()> {
    Ok(())
}
