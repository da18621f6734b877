use traitwire::{Stream, rpc_service};

#[rpc_service]
trait Service {
    fn pinned(&self) -> impl Stream<Item = u8> + Unpin;
    fn lent(&self) -> impl Stream<Item = u8> + Send + '_;
    async fn owned(&self) -> Result<impl Clone + Stream<Item = u8> + 'static, String>;
}

fn main() {}
