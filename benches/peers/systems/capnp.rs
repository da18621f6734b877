//! Cap'n Proto, whose compiler makes `bench_capnp` of `bench.capnp`. All of it lives in one thread, so that it is measured
//! on `current_thread` alone; there [`SendWrapper`] says of what has to be `Send` that it never goes. Raised: the words of one
//! message that may be read (8 Mi, 64 MiB).

use std::sync::Arc;

use bytes::Bytes;
use capnp::capability::Rc;
use capnp::message::ReaderOptions;
use capnp_rpc::rpc_twoparty_capnp::Side;
use capnp_rpc::twoparty::VatNetwork;
use capnp_rpc::{RpcSystem, new_client};
use futures::{AsyncReadExt, FutureExt};
use send_wrapper::SendWrapper;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::compat::TokioAsyncReadCompatExt;

use crate::count::Counter;
use crate::systems::{Failure, Place, System};

#[allow(clippy::all, clippy::pedantic, clippy::restriction, warnings, reason = "written by a program")]
pub(crate) mod bench_capnp {
    include!(concat!(env!("OUT_DIR"), "/bench_capnp.rs"));
}

use bench_capnp::bench;

/// Words of eight bytes.
const MESSAGE: usize = 8 * 1024 * 1024;

struct Basic;

impl bench::Server for Basic {
    async fn add(
        self: Rc<Self>,
        question: bench::AddParams,
        mut answer: bench::AddResults,
    ) -> Result<(), capnp::Error> {
        let question = question.get()?;
        answer.get().set_sum(question.get_a() + question.get_b());
        Ok(())
    }

    async fn echo(
        self: Rc<Self>,
        question: bench::EchoParams,
        mut answer: bench::EchoResults,
    ) -> Result<(), capnp::Error> {
        answer.get().set_body(question.get()?.get_body()?);
        Ok(())
    }
}

#[derive(Clone)]
pub(crate) struct Capnp(Arc<SendWrapper<bench::Client>>);

/// Starts one side of a connection.
fn start(socket: TcpStream, side: Side, serves: Option<bench::Client>) -> RpcSystem<Side> {
    let (reading, writing) = socket.compat().split();
    let mut options = ReaderOptions::new();
    options.traversal_limit_in_words(Some(MESSAGE));
    let network = VatNetwork::new(reading, writing, side, options);
    RpcSystem::new(Box::new(network), serves.map(|client| client.client))
}

fn drive(system: RpcSystem<Side>) {
    // A connection that fails says so to its calls.
    tokio::spawn(SendWrapper::new(system.map(drop)));
}

impl System for Capnp {
    async fn serve(_: &Place, listening: fn(&str)) -> Result<(), Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        listening(&listener.local_addr()?.to_string());
        loop {
            let (socket, _) = listener.accept().await?;
            socket.set_nodelay(true)?;
            let bench: bench::Client = new_client(Basic);
            drive(start(socket, Side::Server, Some(bench)));
        }
    }

    async fn connect(_: &Place, address: &str) -> Result<Self, Failure> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        let mut system = start(socket, Side::Client, None);
        let bench = system.bootstrap(Side::Server);
        drive(system);
        Ok(Self(Arc::new(SendWrapper::new(bench))))
    }

    fn add(&mut self, a: i64, b: i64) -> impl Future<Output = Result<i64, Failure>> + Send {
        let mut question = self.0.add_request();
        question.get().set_a(a);
        question.get().set_b(b);
        SendWrapper::new(async move { Ok(question.send().promise.await?.get()?.get_sum()) })
    }

    fn echo(&mut self, body: &Bytes) -> impl Future<Output = Result<usize, Failure>> + Send {
        let mut question = self.0.echo_request();
        question.get().set_body(body);
        SendWrapper::new(async move { Ok(question.send().promise.await?.get()?.get_body()?.len()) })
    }

    async fn items(&mut self, _: u64, _: &Counter) -> Result<(), Failure> {
        Err("capnp is not asked for streams".into())
    }
}
