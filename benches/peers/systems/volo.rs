//! volo-thrift over one multiplexed connection; it has no streams. What its generator would write from an IDL is written
//! here, with the parts that generated code is made of. Raised: the times for a call, a write and connecting (1 s, 1 s
//! and 50 ms), which a busy machine exceeds.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use pilota::thrift::{
    ProtocolException, ProtocolExceptionKind, TAsyncInputProtocol, TInputProtocol, TLengthProtocol,
    TLengthProtocolExt, TMessageIdentifier, TOutputProtocol, TOutputProtocolExt, TStructIdentifier, TType,
    ThriftException,
};
use tokio::net::TcpListener;
use volo::client::MkClient;
use volo::net::Address;
use volo::net::incoming::DefaultIncoming;
use volo::service::{BoxCloneService, Service};
use volo_thrift::client::ClientBuilder;
use volo_thrift::context::{CLIENT_CONTEXT_CACHE, ClientContext, ServerContext};
use volo_thrift::server::Server;
use volo_thrift::{Client, ClientError, EntryMessage, ServerError};

use crate::count::Counter;
use crate::systems::{Failure, Place, System};

const TIMEOUT: Duration = Duration::from_secs(10);

/// The arguments and the results of both methods: each is a struct whose first fields are these.
#[derive(Clone, Debug)]
enum Message {
    Add(i64, i64),
    Sum(i64),
    Body(Bytes),
}

const STRUCT: TStructIdentifier = TStructIdentifier { name: "Message" };

impl EntryMessage for Message {
    fn encode<T: TOutputProtocol>(&self, protocol: &mut T) -> Result<(), ThriftException> {
        protocol.write_struct_begin(&STRUCT)?;
        match self {
            Self::Add(a, b) => {
                protocol.write_i64_field(1, *a)?;
                protocol.write_i64_field(2, *b)?;
            }
            Self::Sum(sum) => protocol.write_i64_field(1, *sum)?,
            Self::Body(body) => protocol.write_bytes_field(1, body.clone())?,
        }
        protocol.write_field_stop()?;
        protocol.write_struct_end()
    }

    fn decode<T: TInputProtocol>(protocol: &mut T, _: &TMessageIdentifier) -> Result<Self, ThriftException> {
        let (mut numbers, mut body) = ([None; 2], None);
        protocol.read_struct_begin()?;
        loop {
            let field = protocol.read_field_begin()?;
            match (field.field_type, field.id) {
                (TType::Stop, _) => break,
                (TType::I64, Some(id @ 1..=2)) => numbers[id as usize - 1] = Some(protocol.read_i64()?),
                (TType::Binary, Some(1)) => body = Some(protocol.read_bytes()?),
                (other, _) => drop(protocol.skip(other)?),
            }
            protocol.read_field_end()?;
        }
        protocol.read_struct_end()?;
        match (numbers, body) {
            (_, Some(body)) => Ok(Self::Body(body)),
            ([Some(a), Some(b)], _) => Ok(Self::Add(a, b)),
            ([Some(sum), None], _) => Ok(Self::Sum(sum)),
            _ => Err(invalid("a message without fields")),
        }
    }

    async fn decode_async<T: TAsyncInputProtocol>(
        _: &mut T,
        _: &TMessageIdentifier,
    ) -> Result<Self, ThriftException> {
        Err(invalid("messages are framed here"))
    }

    fn size<T: TLengthProtocol>(&self, protocol: &mut T) -> usize {
        let fields = match self {
            Self::Add(a, b) => protocol.i64_field_len(Some(1), *a) + protocol.i64_field_len(Some(2), *b),
            Self::Sum(sum) => protocol.i64_field_len(Some(1), *sum),
            Self::Body(body) => protocol.bytes_field_len(Some(1), body),
        };
        protocol.struct_begin_len(&STRUCT) + fields + protocol.field_stop_len() + protocol.struct_end_len()
    }
}

fn invalid(words: &'static str) -> ThriftException {
    ProtocolException::new(ProtocolExceptionKind::InvalidData, words).into()
}

struct Basic;

impl Service<ServerContext, Message> for Basic {
    type Response = Message;
    type Error = ServerError;

    async fn call(&self, _: &mut ServerContext, question: Message) -> Result<Message, ServerError> {
        Ok(match question {
            Message::Add(a, b) => Message::Sum(a + b),
            other => other,
        })
    }
}

type Inner = Client<BoxCloneService<ClientContext, Message, Option<Message>, ClientError>>;

struct Plain;

impl<S> MkClient<Client<S>> for Plain {
    type Target = Client<S>;

    fn mk_client(&self, client: Client<S>) -> Client<S> {
        client
    }
}

#[derive(Clone)]
pub(crate) struct VoloThrift(Inner);

impl VoloThrift {
    async fn call(&self, method: &'static str, question: Message) -> Result<Message, Failure> {
        let mut context = self.0.make_cx(method, false);
        let answer = Service::call(&self.0, &mut context, question).await?;
        CLIENT_CONTEXT_CACHE.with_borrow_mut(|cache| {
            if cache.len() < cache.capacity() {
                cache.push(context);
            }
        });
        answer.ok_or_else(|| "no answer".into())
    }
}

impl System for VoloThrift {
    async fn serve(_: &Place, listening: fn(&str)) -> Result<(), Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        listening(&listener.local_addr()?.to_string());
        Server::new(Basic).multiplex(true).run(DefaultIncoming::from(listener)).await
    }

    async fn connect(_: &Place, address: &str) -> Result<Self, Failure> {
        let client = ClientBuilder::new("Bench", Plain)
            .address(Address::from(address.parse::<SocketAddr>()?))
            .rpc_timeout(Some(TIMEOUT))
            .read_write_timeout(Some(TIMEOUT))
            .connect_timeout(Some(TIMEOUT))
            .multiplex(true)
            .build();
        let mut this = Self(client);
        // It connects with the first call.
        this.add(1, 1).await?;
        Ok(this)
    }

    async fn add(&mut self, a: i64, b: i64) -> Result<i64, Failure> {
        match self.call("Add", Message::Add(a, b)).await? {
            Message::Sum(sum) => Ok(sum),
            other => Err(format!("answered {other:?}").into()),
        }
    }

    async fn echo(&mut self, body: &Bytes) -> Result<usize, Failure> {
        match self.call("Echo", Message::Body(body.clone())).await? {
            Message::Body(body) => Ok(body.len()),
            other => Err(format!("answered {other:?}").into()),
        }
    }

    async fn items(&mut self, _: u64, _: &Counter) -> Result<(), Failure> {
        Err("volo-thrift has no streams".into())
    }
}
