use traitwire::rpc_service;

#[rpc_service(name = "a b")]
trait Service {
    #[rpc(name = "")]
    async fn empty(&self);
    #[rpc(name = "a.b")]
    async fn dotted(&self);
    #[rpc(name = "tab\t")]
    async fn tab(&self);
    #[rpc(name = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")]
    async fn long(&self);
}

fn main() {}
