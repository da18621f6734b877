use traitwire::rpc_service;

#[rpc_service]
trait Service {
    #[rpc(allow)]
    async fn alone(&self);
    #[rpc(allow())]
    async fn nobody(&self);
    #[rpc(allow = "")]
    async fn empty(&self);
    #[rpc(allow = admin)]
    async fn word(&self);
    #[rpc(allow = 7)]
    async fn number(&self);
    #[rpc(allow(admin, ops))]
    async fn words(&self);
    #[rpc(allow("admin" "ops"))]
    async fn no_comma(&self);
    #[rpc(allow("admin", "two words", "all*"))]
    async fn characters(&self);
    #[rpc(allow("admin", "ops", "admin"))]
    async fn twice(&self);
    #[rpc(allow = "admin", allow = "ops")]
    async fn given_twice(&self);
    #[rpc(alow = "admin")]
    async fn typo(&self);
    async fn of_an_argument(&self, #[rpc(allow = "admin")] secret: u8);
}

#[rpc_service(allow = "admin")]
trait OfATrait {
    async fn method(&self);
}

fn main() {}
