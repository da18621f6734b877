use traitwire::rpc_service;

#[rpc_service]
trait Service {
    #[rpc(idempotent, retry = 3)]
    async fn number(&self);
    #[rpc(idempotent, retry(attempts = 0))]
    async fn none(&self);
    #[rpc(idempotent, retry(attempt = 3, bas = "1s"))]
    async fn typos(&self);
    #[rpc(idempotent, retry(backoff = "linear"))]
    async fn linear(&self);
    #[rpc(idempotent, retry(base = "3s", cap = "2s"))]
    async fn short(&self);
    #[rpc(idempotent, retry(alpha = 2.0, backoff = "grpc"))]
    async fn no_alpha(&self);
    #[rpc(idempotent, retry(backoff = "proportional", alpha = -1.0))]
    async fn negative(&self);
    #[rpc(idempotent, hedge(percentile = 101))]
    async fn percent(&self);
    #[rpc(idempotent, hedge(after = 20))]
    async fn unit(&self);
    #[rpc(idempotent, hedge(attempts = 2))]
    async fn elsewhere(&self);
    #[rpc(idempotent, cache(errors = "1s"))]
    async fn for_ever(&self) -> u8;
    #[rpc(idempotent, cache(ttl = 5, bytes = 3))]
    async fn five(&self) -> u8;
    #[rpc(retry_on)]
    async fn empty(&self) -> Result<(), String>;
    #[rpc(attempts = 3)]
    async fn outside(&self);
}

fn main() {}
