//! tarpc with bincode and with MessagePack; over memory with neither, because there its messages pass as they are. It has no
//! streams. Raised: the calls that a client has in flight and queued (1,000 and 100) and the longest frame (8 MiB), which
//! would throttle or refuse workloads.

use bytes::Bytes;
use futures::{StreamExt, future};
use tarpc::client::Config;
use tarpc::server::{BaseChannel, Channel};
use tarpc::tokio_serde::formats::{Bincode, MessagePack};
use tarpc::transport::channel::unbounded;
use tarpc::{ClientMessage, Response, Transport, context, serde_transport};

use crate::count::Counter;
use crate::systems::{Failure, Over, Place, System};

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

/// Serves a connection.
fn answer<T>(transport: T)
where
    T: Transport<Response<BenchResponse>, ClientMessage<BenchRequest>> + Send + 'static,
    T::Error: Send + Sync + 'static,
{
    let config = tarpc::server::Config { pending_response_buffer: IN_FLIGHT };
    let channel = BaseChannel::new(config, transport);
    tokio::spawn(channel.execute(Basic.serve()).for_each(|answer| {
        tokio::spawn(answer);
        future::ready(())
    }));
}

fn client<T>(transport: T) -> BenchClient
where
    T: Transport<ClientMessage<BenchRequest>, Response<BenchResponse>> + Send + 'static,
    T::Error: std::error::Error + Send + Sync + 'static,
{
    let mut config = Config::default();
    config.max_in_flight_requests = IN_FLIGHT;
    config.pending_request_buffer = IN_FLIGHT;
    BenchClient::new(config, transport).spawn()
}

/// The format is a type parameter of everything in tarpc, so the two systems are spelt once and made twice.
macro_rules! system {
    ($name:ident, $Format:ident) => {
        #[derive(Clone)]
        pub(crate) struct $name(BenchClient);

        impl System for $name {
            async fn serve(place: &Place, listening: fn(&str)) -> Result<(), Failure> {
                match place.over {
                    Over::Tcp => {
                        let mut listener =
                            serde_transport::tcp::listen("127.0.0.1:0", $Format::default).await?;
                        listener.config_mut().max_frame_length(FRAME);
                        listening(&listener.local_addr().to_string());
                        while let Some(accepted) = listener.next().await {
                            let transport = accepted?;
                            transport.get_ref().set_nodelay(true)?;
                            answer(transport);
                        }
                    }
                    Over::Unix => {
                        let path = place.socket();
                        let mut listener = serde_transport::unix::listen(&path, $Format::default).await?;
                        listener.config_mut().max_frame_length(FRAME);
                        listening(&path.display().to_string());
                        while let Some(accepted) = listener.next().await {
                            answer(accepted?);
                        }
                    }
                    Over::Tls | Over::Memory => return place.unknown(),
                }
                Ok(())
            }

            async fn connect(place: &Place, address: &str) -> Result<Self, Failure> {
                Ok(Self(match place.over {
                    Over::Tcp => {
                        let mut connect = serde_transport::tcp::connect(address, $Format::default);
                        connect.config_mut().max_frame_length(FRAME);
                        let transport = connect.await?;
                        transport.get_ref().set_nodelay(true)?;
                        client(transport)
                    }
                    Over::Unix => {
                        let mut connect = serde_transport::unix::connect(address, $Format::default);
                        connect.config_mut().max_frame_length(FRAME);
                        client(connect.await?)
                    }
                    Over::Memory => {
                        let (ours, theirs) = unbounded();
                        answer(theirs);
                        client(ours)
                    }
                    Over::Tls => return place.unknown(),
                }))
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
