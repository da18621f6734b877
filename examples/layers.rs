//! Layers on both sides: a server layer that answers before the arguments are decoded, and a client layer that adds a
//! token and measures. Both are wrappers around the one trait of their side.
//!
//! Run it with `cargo run --example layers`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;
use traitwire::{
    CallResult, Caller, Channel, Code, Delivery, Handler, HandlerFuture, Request, RpcError, Server,
    rpc_service,
};

/// A greeting.
#[rpc_service]
pub trait Greeter {
    /// Greets by name.
    async fn greet(&self, name: &str) -> String;
}

struct Polite;

impl Greeter for Polite {
    async fn greet(&self, name: &str) -> String {
        format!("good day, {name}")
    }
}

/// A server layer: nobody gets in without the word.
struct RequireWord<H>(H);

impl<H: Handler> Handler for RequireWord<H> {
    fn handle(&self, request: Request) -> HandlerFuture {
        if request.metadata().text("word") == Some("please") {
            return self.0.handle(request);
        }
        let error = RpcError::new(Code::UNAUTHENTICATED, Delivery::Refused, "say the word (metadata `word`)");
        HandlerFuture::ready(Err(error))
    }
}

/// A client layer: says the word, and tells how long it took.
#[derive(Clone)]
struct Say<C> {
    inner: C,
    word: &'static str,
}

impl<C: Caller> Caller for Say<C> {
    type Error = C::Error;
    type Future = Timed<C::Future>;

    fn call(&self, mut request: Request) -> Self::Future {
        // The key is well formed, so setting it cannot fail.
        let _ = request.metadata_mut().set("word", self.word);
        Timed { inner: self.inner.call(request), began: None }
    }
}

struct Timed<F> {
    inner: F,
    began: Option<Instant>,
}

impl<F: Future<Output = CallResult> + Unpin> Future for Timed<F> {
    type Output = CallResult;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<CallResult> {
        let began = *self.began.get_or_insert_with(Instant::now);
        let result = Pin::new(&mut self.inner).poll(cx);
        if result.is_ready() {
            let took: Duration = began.elapsed();
            println!("   took {took:.0?}");
        }
        result
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::builder().service(GreeterServer::new(Polite)).layer(RequireWord);
    let server = server.bind("tcp://127.0.0.1:0").await?;
    let address = server.addresses()[0].clone();
    tokio::spawn(server.serve());

    let channel = Channel::connect(&address).await?;
    println!("without the word: {:?}", GreeterClient::new(channel.clone()).greet("Ada").await);
    let greeter = GreeterClient::new(Say { inner: channel, word: "please" });
    println!("with it: {}", greeter.greet("Ada").await?);
    Ok(())
}
