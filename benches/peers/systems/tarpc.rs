//! tarpc over TCP, with bincode and with MessagePack; it has no streams. Raised: the calls that a client has in flight
//! and queued (1,000 and 100) and the longest frame (8 MiB), which would throttle or refuse workloads.

use std::net::SocketAddr;

use bytes::Bytes;
use futures::{StreamExt, future};
use tarpc::client::Config;
use tarpc::server::{BaseChannel, Channel};
use tarpc::tokio_serde::formats::{Bincode, MessagePack};
use tarpc::{context, serde_transport};

use crate::count::Counter;
use crate::systems::{Failure, System};

const IN_FLIGHT: usize = 4_096;
const FRAME: usize = 64 * 1024 * 1024;

#[tarpc::service]
pub(crate) trait Bench {
    async fn add(a: i64, b: i64) -> i64;
    async fn echo(body: Bytes) -> Bytes;
}

#[derive(Clone)]
struct Basic;

impl Bench for Basic {
    async fn add(self, _: context::Context, a: i64, b: i64) -> i64 {
        a + b
    }

    async fn echo(self, _: context::Context, body: Bytes) -> Bytes {
        body
    }
}

/// The format is a type parameter of everything in tarpc, so the two systems are spelt once and made twice.
macro_rules! system {
    ($name:ident, $Format:ident) => {
        #[derive(Clone)]
        pub(crate) struct $name(BenchClient);

        impl System for $name {
            async fn serve(listening: fn(SocketAddr)) -> Result<(), Failure> {
                let mut listener = serde_transport::tcp::listen("127.0.0.1:0", $Format::default).await?;
                listener.config_mut().max_frame_length(FRAME);
                listening(listener.local_addr());
                while let Some(accepted) = listener.next().await {
                    let transport = accepted?;
                    transport.get_ref().set_nodelay(true)?;
                    let config = tarpc::server::Config { pending_response_buffer: IN_FLIGHT };
                    let channel = BaseChannel::new(config, transport);
                    tokio::spawn(channel.execute(Basic.serve()).for_each(|answer| {
                        tokio::spawn(answer);
                        future::ready(())
                    }));
                }
                Ok(())
            }

            async fn connect(address: SocketAddr) -> Result<Self, Failure> {
                let mut connect = serde_transport::tcp::connect(address, $Format::default);
                connect.config_mut().max_frame_length(FRAME);
                let transport = connect.await?;
                transport.get_ref().set_nodelay(true)?;
                let mut config = Config::default();
                config.max_in_flight_requests = IN_FLIGHT;
                config.pending_request_buffer = IN_FLIGHT;
                Ok(Self(BenchClient::new(config, transport).spawn()))
            }

            async fn add(&mut self, a: i64, b: i64) -> Result<i64, Failure> {
                Ok(self.0.add(context::current(), a, b).await?)
            }

            async fn echo(&mut self, body: &Bytes) -> Result<usize, Failure> {
                Ok(self.0.echo(context::current(), body.clone()).await?.len())
            }

            async fn items(&mut self, _: u64, _: &Counter) -> Result<(), Failure> {
                Err("tarpc has no streams".into())
            }
        }
    };
}

system!(Bincoded, Bincode);
system!(MessagePacked, MessagePack);
