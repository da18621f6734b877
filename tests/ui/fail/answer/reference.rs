use traitwire::rpc_service;

#[rpc_service]
trait Service {
    async fn text(&self) -> &str;
    async fn fixed(&self) -> &'static str;
    async fn cow(&self) -> std::borrow::Cow<'_, str>;
}

fn main() {}
