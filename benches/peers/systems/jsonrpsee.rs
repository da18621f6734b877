//! jsonrpsee: JSON-RPC over one WebSocket. A body is a string of letters, because bytes have no form in JSON. Raised: the
//! size of messages (10 MiB), the requests that a client has at a time (256), its buffer of a subscription (1,024), and
//! the server's of a connection (1,024).

use std::sync::Arc;

use bytes::Bytes;
use jsonrpsee::client_transport::ws::{Url, WsTransportClientBuilder};
use jsonrpsee::core::client::{Client, ClientT, Subscription, SubscriptionClientT};
use jsonrpsee::rpc_params;
use jsonrpsee::server::{ServerBuilder, ServerConfig};
use jsonrpsee::types::ErrorObjectOwned;
use jsonrpsee::{RpcModule, SubscriptionMessage};

use crate::count::Counter;
use crate::systems::{Failure, Item, Place, System};

const MESSAGE: u32 = 64 * 1024 * 1024;
const IN_FLIGHT: usize = 4_096;
/// More items than a stream of the benchmark has, so that none is lost: a subscription has no back-pressure.
const ITEMS: usize = 1 << 20;

#[derive(Clone)]
pub(crate) struct Jsonrpsee(Arc<Client>);

fn module() -> Result<RpcModule<()>, Failure> {
    let mut module = RpcModule::new(());
    module.register_async_method("add", |params, _, _| async move {
        let (a, b): (i64, i64) = params.parse()?;
        Ok::<i64, ErrorObjectOwned>(a + b)
    })?;
    module.register_async_method("echo", |params, _, _| async move {
        let body: String = params.one()?;
        Ok::<String, ErrorObjectOwned>(body)
    })?;
    module.register_subscription("items", "item", "stop", |params, pending, _, _| async move {
        let count: u64 = params.one()?;
        let sink = pending.accept().await?;
        for nth in 0..count {
            let item = serde_json::value::to_raw_value(&Item::nth(nth))?;
            sink.send(SubscriptionMessage::from(item)).await?;
        }
        sink.closed().await;
        Ok(())
    })?;
    Ok(module)
}

impl System for Jsonrpsee {
    async fn serve(_: &Place, listening: fn(&str)) -> Result<(), Failure> {
        let config = ServerConfig::builder()
            .max_request_body_size(MESSAGE)
            .max_response_body_size(MESSAGE)
            .set_message_buffer_capacity(IN_FLIGHT as u32)
            .set_tcp_no_delay(true)
            .ws_only()
            .build();
        let server = ServerBuilder::with_config(config).build("127.0.0.1:0").await?;
        listening(&server.local_addr()?.to_string());
        server.start(module()?).stopped().await;
        Ok(())
    }

    async fn connect(_: &Place, address: &str) -> Result<Self, Failure> {
        let transport =
            WsTransportClientBuilder::default().max_request_size(MESSAGE).max_response_size(MESSAGE);
        let (sender, receiver) = transport.build(Url::parse(&format!("ws://{address}"))?).await?;
        let client = Client::builder()
            .max_concurrent_requests(IN_FLIGHT)
            .max_buffer_capacity_per_subscription(ITEMS)
            .set_tcp_no_delay(true)
            .build_with_tokio(sender, receiver);
        Ok(Self(Arc::new(client)))
    }

    async fn add(&mut self, a: i64, b: i64) -> Result<i64, Failure> {
        Ok(self.0.request("add", rpc_params![a, b]).await?)
    }

    async fn echo(&mut self, body: &Bytes) -> Result<usize, Failure> {
        let answer: String = self.0.request("echo", rpc_params![std::str::from_utf8(body)?]).await?;
        Ok(answer.len())
    }

    async fn items(&mut self, count: u64, seen: &Counter) -> Result<(), Failure> {
        let mut items: Subscription<Item> = self.0.subscribe("items", rpc_params![count], "stop").await?;
        for _ in 0..count {
            std::hint::black_box(items.next().await.ok_or("the subscription ended early")??);
            seen.add(1);
        }
        items.unsubscribe().await?;
        Ok(())
    }
}
