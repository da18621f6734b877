use traitwire::{Stream, Streaming, rpc_service};

#[rpc_service]
trait Service {
    #[rpc(idle_timeout = "60s", total_timeout = "10m")]
    async fn plain(&self) -> u8;
    #[rpc(timeout = "10s", total_timeout = "9999ms")]
    fn short(&self) -> impl Stream<Item = u8>;
    #[rpc(total_timeout = "0s")]
    fn none(&self) -> impl Stream<Item = u8>;
    #[rpc(idle_timeout = "0s")]
    async fn never(&self, values: Streaming<u8>);
    #[rpc(idle_timeout, total_timeout = 5)]
    fn values(&self) -> impl Stream<Item = u8>;
    #[rpc(total_timeout = "11000000h")]
    fn long(&self) -> impl Stream<Item = u8>;
    #[rpc(idel_timeout = "1s")]
    fn typo(&self) -> impl Stream<Item = u8>;
    #[rpc(timeout = "10s", total_timeout = "10s", idle_timeout = "1m")]
    fn right(&self) -> impl Stream<Item = u8>;
}

fn main() {}
