use traitwire::{Stream, Streaming, rpc_service};

#[rpc_service]
trait Service {
    #[rpc(retry)]
    async fn once(&self);
    #[rpc(hedge, retry(attempts = 2))]
    async fn both(&self) -> u8;
    #[rpc(oneway, idempotent, retry, hedge)]
    async fn tell(&self);
    #[rpc(idempotent, hedge)]
    async fn upload(&self, parts: Streaming<u8>);
    #[rpc(idempotent, retry_on = |_| true)]
    async fn plain(&self) -> u8;
    #[rpc(idempotent, retry_on = |_| true)]
    fn items(&self) -> impl Stream<Item = Result<u8, String>>;
    #[rpc(idempotent, retry_on = |_| true)]
    async fn opened(&self) -> impl Stream<Item = u8>;
    #[rpc(cache(ttl = "5s"))]
    async fn kept(&self) -> u8;
    #[rpc(idempotent, oneway, cache(ttl = "5s"))]
    async fn told(&self);
    #[rpc(idempotent, cache(ttl = "5s"))]
    async fn parts(&self, parts: Streaming<u8>) -> u8;
    #[rpc(dedup, hedge)]
    async fn twice(&self) -> u8;
    #[rpc(dedup, idempotent, retry)]
    async fn needless(&self) -> u8;
    #[rpc(dedup, oneway)]
    async fn gone(&self);
    #[rpc(dedup, retry)]
    fn feed(&self) -> impl Stream<Item = u8>;
    #[rpc(dedup, cache(ttl = "1s"))]
    async fn pay_and_keep(&self) -> u8;
    #[rpc(idempotent, retry, hedge, cache(ttl = "5s"))]
    async fn right(&self) -> u8;
}

fn main() {}
