//! traitwire as a user gets it: default settings, all promises on. The body of an echo is `Bytes`, as it is with those of
//! the others that know this type (tarpc, tonic, volo-thrift).

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use tokio::sync::OnceCell;
use traitwire::tls::{CertifiedKey, ClientTls, Roots, ServerTls};
use traitwire::{Channel, Server};

use crate::count::Counter;
use crate::scratch;
use crate::systems::{Failure, Item, Over, Place, SHARDS, System};

#[traitwire::rpc_service]
pub(crate) trait Bench {
    async fn add(&self, a: i64, b: i64) -> i64;
    async fn echo(&self, body: Bytes) -> Bytes;
    fn items(&self, count: u64) -> impl Stream<Item = Item>;
}

struct Basic;

impl Bench for Basic {
    async fn add(&self, a: i64, b: i64) -> i64 {
        a + b
    }

    async fn echo(&self, body: Bytes) -> Bytes {
        body
    }

    fn items(&self, count: u64) -> impl Stream<Item = Item> {
        stream::iter((0..count).map(Item::nth))
    }
}

#[derive(Clone)]
pub(crate) struct Traitwire(BenchClient);

async fn bind(place: &Place) -> Result<Server, Failure> {
    let mut builder = Server::builder().service(BenchServer::new(Basic));
    if place.sharded {
        builder = builder.shards(SHARDS);
    }
    let bound = match place.over {
        Over::Tcp => builder.bind("tcp://127.0.0.1:0").await?,
        Over::Tls => {
            let key = CertifiedKey::files(scratch::certificate(&place.folder), scratch::key(&place.folder));
            builder.tls(ServerTls::new(key)).bind("tls://127.0.0.1:0").await?
        }
        Over::Unix => builder.bind(&format!("unix://{}", place.socket().display())).await?,
        Over::Memory => builder.bind("mem://bench").await?,
    };
    Ok(bound)
}

/// The server that shares the process with its clients.
static BESIDE: OnceCell<String> = OnceCell::const_new();

async fn beside(place: &Place) -> Result<String, Failure> {
    let server = bind(place).await?;
    let address = server.addresses()[0].clone();
    tokio::spawn(server.serve());
    Ok(address)
}

impl System for Traitwire {
    async fn serve(place: &Place, listening: fn(&str)) -> Result<(), Failure> {
        let server = bind(place).await?;
        listening(&server.addresses()[0]);
        server.serve().await?;
        Ok(())
    }

    async fn connect(place: &Place, address: &str) -> Result<Self, Failure> {
        let address = match place.over {
            Over::Memory => BESIDE.get_or_try_init(|| beside(place)).await?,
            _ => address,
        };
        let builder = Channel::builder();
        let channel = match place.over {
            Over::Tls => {
                let tls = ClientTls::new().roots(Roots::file(scratch::root(&place.folder)));
                builder.tls(tls).connect(address).await?
            }
            _ => builder.connect(address).await?,
        };
        Ok(Self(BenchClient::new(channel)))
    }

    async fn add(&mut self, a: i64, b: i64) -> Result<i64, Failure> {
        Ok(self.0.add(a, b).await?)
    }

    async fn echo(&mut self, body: &Bytes) -> Result<usize, Failure> {
        Ok(self.0.echo(body.clone()).await?.len())
    }

    async fn items(&mut self, count: u64, seen: &Counter) -> Result<(), Failure> {
        let mut items = self.0.items(count);
        while let Some(item) = items.next().await {
            std::hint::black_box(item?);
            seen.add(1);
        }
        Ok(())
    }
}
