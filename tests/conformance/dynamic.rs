//! Owns [`Dynamic`], a call whose types are known at run time only: of any method, in the trait or not. Does not know JSON.

use std::fmt::Display;

use futures::{Stream, StreamExt, stream};
use rmpv::Value;
use traitwire::codec::{DecodeError, EncodeError, ScanLimits, scan};
use traitwire::private::{Answer, Form, Select, call_open, call_sending, form, items};
use traitwire::{
    CallError, CallOptions, Caller, Channel, Client, Code, Delivery, MethodDescriptor, Payload, Request,
    RpcError,
};

use crate::ConformanceClient;

/// A call that is ready to be made.
#[derive(Debug)]
pub struct Dynamic {
    method: &'static MethodDescriptor,
    arguments: Vec<u8>,
    input: Option<Vec<Vec<u8>>>,
    options: CallOptions,
}

impl Dynamic {
    /// A call of the method `"Service.method"`; one of [`Conformance`](crate::Conformance) goes by its own name too. It has the streams that [`Conformance`](crate::Conformance) says, and sends
    /// items if there are any; a method outside the trait returns no stream.
    pub fn new(method: &str, arguments: &[Value], input: Option<&[Value]>, options: CallOptions) -> Self {
        let method = describe(method, input.is_some());
        let input = method.sends.then(|| input.unwrap_or_default().iter().map(encode).collect());
        Self { method, arguments: encode(&Value::Array(arguments.to_vec())), input, options }
    }

    /// Whether it is answered with a stream.
    pub const fn is_stream(&self) -> bool {
        self.method.takes
    }

    /// Makes a call that is answered with a value.
    ///
    /// # Errors
    ///
    /// The method's own error, or what happened to the call; `internal` if what came back is no MessagePack.
    pub async fn call(self, channel: &Channel) -> Result<Value, CallError<Value>> {
        let Some(input) = self.input else {
            let arguments = Payload::new(self.arguments);
            // With its descriptor, policies know whether it is idempotent. A oneway call would end before its answer is here.
            let request = match self.method.oneway {
                true => Request::by_name(self.method.full_name, arguments),
                false => Request::new(self.method, arguments),
            };
            let response = channel.call(request.with_options(&self.options)).await?;
            let value = typed(self.method.full_name, decode(response.body().bytes())?);
            return if response.is_app_error() { Err(CallError::App(value)) } else { Ok(value) };
        };
        let input = items(self.method, stream::iter(input), Item);
        let arguments = Ok(self.arguments.into());
        let call = call_sending(channel, &self.options, self.method, arguments, input, FORM, Outcome);
        readable(call.await)
    }

    /// Opens the stream that a call is answered with.
    ///
    /// # Errors
    ///
    /// Of opening and of the items: as those of [`call`](Self::call).
    pub async fn open(
        self,
        channel: &Channel,
    ) -> Result<impl Stream<Item = Result<Value, CallError<Value>>> + use<>, CallError<Value>> {
        let input = self.input.map(|input| items(self.method, stream::iter(input), Item));
        let (options, arguments) = (&self.options, Ok(self.arguments.into()));
        let call = call_open(channel, options, self.method, arguments, input, FORM, Outcome, FORM, Outcome);
        match call.await {
            Ok(items) => Ok(items.map(readable)),
            Err(CallError::App(bytes)) => Err(CallError::App(decode(&bytes)?)),
            Err(CallError::Rpc(error)) => Err(CallError::Rpc(error)),
        }
    }
}

/// The method of the trait that bears this name, else one that was made up.
fn describe(name: &str, has_input: bool) -> &'static MethodDescriptor {
    let methods = <ConformanceClient>::DESCRIPTOR.methods;
    let known = methods.iter().find(|method| method.full_name == name || method.name == name);
    match known {
        Some(method) if method.sends || !has_input => method,
        _ => {
            // Few, and as long as the program: descriptors are statics.
            let name: &'static str = Box::leak(name.into());
            let method = MethodDescriptor::new(name, name, 0);
            let method = if has_input { method.sends() } else { method };
            let method = if known.is_some_and(|known| known.takes) { method.takes() } else { method };
            Box::leak(Box::new(method))
        }
    }
}

// ===== values as they travel =====

type Bytes = Vec<u8>;

/// A value or an error, neither of which is looked at.
const FORM: Form<Select<true>, Result<Bytes, Bytes>> = form();

struct Outcome;

impl Answer for Outcome {
    type Ok = Bytes;
    type Detail = Bytes;

    fn write(answer: &Result<Bytes, Bytes>, out: &mut Bytes) -> Result<(), EncodeError> {
        let (Ok(bytes) | Err(bytes)) = answer;
        out.extend_from_slice(bytes);
        Ok(())
    }

    fn read_value(bytes: &[u8], _: &ScanLimits) -> Result<Bytes, DecodeError> {
        Ok(bytes.to_vec())
    }

    fn read_detail(bytes: &[u8], _: &ScanLimits) -> Result<Bytes, DecodeError> {
        Ok(bytes.to_vec())
    }
}

/// What is sent; it has no error.
struct Item;

impl Answer for Item {
    type Ok = Bytes;
    type Detail = ();

    fn write(item: &Result<Bytes, ()>, out: &mut Bytes) -> Result<(), EncodeError> {
        out.extend(item.iter().flatten());
        Ok(())
    }

    fn read_value(bytes: &[u8], _: &ScanLimits) -> Result<Bytes, DecodeError> {
        Ok(bytes.to_vec())
    }

    fn read_detail(_: &[u8], _: &ScanLimits) -> Result<(), DecodeError> {
        Ok(())
    }
}

fn encode(value: &Value) -> Bytes {
    let mut bytes = Bytes::new();
    rmpv::encode::write_value(&mut bytes, value).expect("writing to memory does not fail");
    bytes
}

fn readable(outcome: Result<Bytes, CallError<Bytes>>) -> Result<Value, CallError<Value>> {
    match outcome {
        Ok(bytes) => Ok(decode(&bytes)?),
        Err(CallError::App(bytes)) => Err(CallError::App(decode(&bytes)?)),
        Err(CallError::Rpc(error)) => Err(CallError::Rpc(error)),
    }
}

/// An empty `Vec<u8>` travels as an empty array, for want of a byte that would tell; whoever knows the method knows better.
fn typed(method: &str, value: Value) -> Value {
    match (method, value) {
        ("Conformance.echo", Value::Array(none)) if none.is_empty() => Value::Binary(Bytes::new()),
        ("Conformance.metadata", Value::Map(entries)) => Value::Map(
            entries.into_iter().map(|(key, value)| (key, typed("Conformance.echo", value))).collect(),
        ),
        (_, value) => value,
    }
}

/// What comes from a server is scanned before it is decoded, as generated code does: reading a value recurses.
fn decode(mut bytes: &[u8]) -> Result<Value, RpcError> {
    let failed = |error: &dyn Display| {
        let text = format!("the value that came back does not decode: {error}");
        RpcError::new(Code::INTERNAL, Delivery::Executed, text)
    };
    scan(bytes, &ScanLimits::for_body(bytes.len())).map_err(|error| failed(&error))?;
    rmpv::decode::read_value(&mut bytes).map_err(|error| failed(&error))
}
