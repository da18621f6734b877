//! tonic: gRPC over HTTP/2. What its generator would write from a `.proto` is written here, with the parts that generated
//! code is made of, so that nobody needs `protoc`. Raised: the largest message that is decoded (4 MiB).

use std::convert::Infallible;
use std::fs;
use std::net::SocketAddr;

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt, future};
use tokio::net::UnixListener;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::client::Grpc;
use tonic::codegen::{Context, Poll, Service, http};
use tonic::server::{NamedService, ServerStreamingService, UnaryService};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

use crate::count::Counter;
use crate::scratch;
use crate::systems::{Failure, Item, Over, Place, System};

const MESSAGE: usize = 64 * 1024 * 1024;

#[derive(Clone, PartialEq, prost::Message)]
struct Add {
    #[prost(int64, tag = "1")]
    a: i64,
    #[prost(int64, tag = "2")]
    b: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Sum {
    #[prost(int64, tag = "1")]
    sum: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Body {
    #[prost(bytes = "bytes", tag = "1")]
    body: Bytes,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Count {
    #[prost(uint64, tag = "1")]
    count: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct GrpcItem {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(double, tag = "2")]
    value: f64,
    #[prost(string, tag = "3")]
    name: String,
}

#[derive(Clone)]
struct BenchServer;

impl NamedService for BenchServer {
    const NAME: &'static str = "Bench";
}

struct AddMethod;

impl UnaryService<Add> for AddMethod {
    type Response = Sum;
    type Future = future::Ready<Result<Response<Sum>, Status>>;

    fn call(&mut self, request: Request<Add>) -> Self::Future {
        let Add { a, b } = request.into_inner();
        future::ok(Response::new(Sum { sum: a + b }))
    }
}

struct EchoMethod;

impl UnaryService<Body> for EchoMethod {
    type Response = Body;
    type Future = future::Ready<Result<Response<Body>, Status>>;

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        future::ok(Response::new(request.into_inner()))
    }
}

struct ItemsMethod;

impl ServerStreamingService<Count> for ItemsMethod {
    type Response = GrpcItem;
    type ResponseStream = BoxStream<'static, Result<GrpcItem, Status>>;
    type Future = future::Ready<Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<Count>) -> Self::Future {
        future::ok(Response::new(items(request.into_inner().count).boxed()))
    }
}

fn items(count: u64) -> impl Stream<Item = Result<GrpcItem, Status>> {
    stream::iter((0..count).map(|nth| {
        let Item { id, value, name } = Item::nth(nth);
        Ok(GrpcItem { id, value, name })
    }))
}

impl Service<http::Request<tonic::body::Body>> for BenchServer {
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = future::BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        match request.uri().path() {
            "/Bench/Add" => Box::pin(async move {
                let mut grpc = tonic::server::Grpc::new(ProstCodec::default());
                Ok(grpc.unary(AddMethod, request).await)
            }),
            "/Bench/Echo" => Box::pin(async move {
                let grpc = tonic::server::Grpc::new(ProstCodec::default());
                Ok(grpc.max_decoding_message_size(MESSAGE).unary(EchoMethod, request).await)
            }),
            "/Bench/Items" => Box::pin(async move {
                let mut grpc = tonic::server::Grpc::new(ProstCodec::default());
                Ok(grpc.server_streaming(ItemsMethod, request).await)
            }),
            _ => Box::pin(future::ok(Status::unimplemented("no such method").into_http())),
        }
    }
}

#[derive(Clone)]
pub(crate) struct Tonic(Grpc<Channel>);

impl Tonic {
    async fn call<Q, A>(&mut self, path: &'static str, question: Q) -> Result<A, Failure>
    where
        Q: prost::Message + 'static,
        A: prost::Message + Default + 'static,
    {
        self.0.ready().await?;
        let path = http::uri::PathAndQuery::from_static(path);
        let answer = self.0.unary(Request::new(question), path, ProstCodec::default()).await?;
        Ok(answer.into_inner())
    }
}

impl System for Tonic {
    async fn serve(place: &Place, listening: fn(&str)) -> Result<(), Failure> {
        let mut server = Server::builder();
        if place.over == Over::Tls {
            let identity = Identity::from_pem(
                fs::read(scratch::certificate(&place.folder))?,
                fs::read(scratch::key(&place.folder))?,
            );
            server = server.tls_config(ServerTlsConfig::new().identity(identity))?;
        }
        let router = server.add_service(BenchServer);
        match place.over {
            Over::Tcp | Over::Tls => {
                let incoming = TcpIncoming::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
                let incoming = incoming.with_nodelay(Some(true));
                let scheme = if place.over == Over::Tls { "https" } else { "http" };
                listening(&format!("{scheme}://{}", incoming.local_addr()?));
                router.serve_with_incoming(incoming).await?;
            }
            Over::Unix => {
                let path = place.socket();
                let incoming = UnixListenerStream::new(UnixListener::bind(&path)?);
                listening(&format!("unix://{}", path.display()));
                router.serve_with_incoming(incoming).await?;
            }
            Over::Memory => return place.unknown(),
        }
        Ok(())
    }

    async fn connect(place: &Place, address: &str) -> Result<Self, Failure> {
        let mut endpoint = Endpoint::new(address.to_owned())?.tcp_nodelay(true);
        if place.over == Over::Tls {
            let root = Certificate::from_pem(fs::read(scratch::root(&place.folder))?);
            endpoint = endpoint.tls_config(ClientTlsConfig::new().ca_certificate(root))?;
        }
        Ok(Self(Grpc::new(endpoint.connect().await?).max_decoding_message_size(MESSAGE)))
    }

    async fn add(&mut self, a: i64, b: i64) -> Result<i64, Failure> {
        let Sum { sum } = self.call("/Bench/Add", Add { a, b }).await?;
        Ok(sum)
    }

    async fn echo(&mut self, body: &Bytes) -> Result<usize, Failure> {
        let Body { body } = self.call("/Bench/Echo", Body { body: body.clone() }).await?;
        Ok(body.len())
    }

    async fn items(&mut self, count: u64, seen: &Counter) -> Result<(), Failure> {
        self.0.ready().await?;
        let path = http::uri::PathAndQuery::from_static("/Bench/Items");
        let codec = ProstCodec::<Count, GrpcItem>::default();
        let answer = self.0.server_streaming(Request::new(Count { count }), path, codec).await?;
        let mut items = answer.into_inner();
        while let Some(item) = items.message().await? {
            std::hint::black_box(item);
            seen.add(1);
        }
        Ok(())
    }
}
