use traitwire::rpc_service;

#[rpc_service]
trait Service {
    #[rpc(timeout = "")]
    async fn a0(&self);
    #[rpc(timeout = "5")]
    async fn a1(&self);
    #[rpc(timeout = "ms")]
    async fn a2(&self);
    #[rpc(timeout = "1.5s")]
    async fn a3(&self);
    #[rpc(timeout = "5 s")]
    async fn a4(&self);
    #[rpc(timeout = "-1s")]
    async fn a5(&self);
    #[rpc(timeout = "5days")]
    async fn a6(&self);
    #[rpc(timeout = "0ms")]
    async fn a7(&self);
    #[rpc(timeout = "99999999999999999999s")]
    async fn a8(&self);
    #[rpc(timeout = "11000000h")]
    async fn a9(&self);
}

fn main() {}
