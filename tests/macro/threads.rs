//! Futures that are `Send` in code that knows only the traits.

use std::sync::Arc;

use traitwire::{Call, Caller, Handler, Payload, Request, rpc_service};

use crate::caller::InProcess;

#[rpc_service]
pub(crate) trait Work {
    async fn work(&self, amount: &str) -> Result<usize, String>;
    /// Done by most.
    async fn rest(&self, mut hours: u8) -> u8
    where
        Self: Sync,
    {
        hours += u8::try_from(self.work("x").await.unwrap_or(0)).unwrap_or(0);
        hours
    }
    async fn never(&self) -> u8 {
        std::future::pending().await
    }
    async fn early(&self, stop: bool) -> Result<u8, String> {
        if stop {
            return Err("stopped".into());
        }
        let parsed: u8 = "7".parse().map_err(|_| "unparsed")?;
        Ok(parsed)
    }
}

struct Counter<S>(S);

trait Source: Send + Sync + 'static {
    fn base(&self) -> usize;
}

impl Source for usize {
    fn base(&self) -> usize {
        *self
    }
}

impl<S: Source> Work for Counter<S> {
    async fn work(&self, amount: &str) -> Result<usize, String> {
        tokio::task::yield_now().await;
        Ok(self.0.base() + amount.len())
    }
}

fn assert_send<T: Send>(value: T) -> T {
    value
}

fn assert_call<T: Send + Unpin + 'static>(value: T) -> T {
    value
}

async fn spawn_local<W: Work + Send + Sync + 'static>(work: Arc<W>) -> Option<usize> {
    tokio::spawn(async move { work.work("abc").await }).await.ok()?.ok()
}

async fn spawn_client<C: Caller>(client: WorkClient<C>) -> Option<usize> {
    let clone = client.clone();
    let spawned = tokio::spawn(async move { clone.work("abcd").await });
    Some(spawned.await.ok()?.ok()? + tokio::spawn(client.work("")).await.ok()?.ok()?)
}

fn served<W: Work + Send + Sync + 'static>(work: W) -> impl Handler {
    let server = assert_send(WorkServer::new(work));
    drop(assert_send(server.handle(Request::by_name("Work.work", Payload::new(vec![0x90])))));
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn generic_code_can_spawn() {
    assert_eq!(spawn_local(Arc::new(Counter(10_usize))).await, Some(13));
    let caller = InProcess::new(served(Counter(20_usize)));
    assert_eq!(spawn_client(WorkClient::new(caller)).await, Some(44));
}

#[tokio::test]
async fn default_bodies_run_on_the_service() {
    let client = WorkClient::new(InProcess::new(served(Counter(1_usize))));
    assert_eq!(client.rest(3).await.unwrap(), 5);
    assert_eq!(client.early(false).await.unwrap(), 7);
    assert_eq!(client.early(true).await.unwrap_err().app().unwrap(), "stopped");
}

#[test]
fn calls_are_send_and_unpin_whatever_they_carry() {
    struct Local(#[expect(dead_code, reason = "makes the type one that is not `Send`")] *const u8);
    fn calls<C: Caller>(call: Call<C, Local, std::rc::Rc<u8>>) -> impl Send + Unpin + 'static {
        assert_call(call)
    }
    let _ = calls::<InProcess>;
    drop(assert_call(WorkClient::new(InProcess::new(served(Counter(1_usize)))).rest(1).detailed()));
}
