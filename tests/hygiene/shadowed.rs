//! A service among types that are called like everything that generated code could mean.

use ::renamed::rpc_service;

/// Defines a type of each name.
macro_rules! shadows {
    ($($name:ident)*) => {
        $(
            /// Not what you think.
            #[derive(::core::fmt::Debug, ::serde::Deserialize, ::serde::Serialize)]
            #[non_exhaustive]
            pub struct $name {
                /// Something.
                pub field: ::core::primitive::u8,
            }
        )*
    };
}

shadows! {
    Option Some None Result Ok Err Vec String Arc Box Send Sync Future Clone Debug From Into Default Sized Drop
    Call Caller Channel Client Handler HandlerFuture Service Request Response RpcError CallOptions MethodDescriptor
    Infallible CallStream OpenCall Items Sink ResultType
    C T Self_ Probe Select Shape Plain Argument Answer Outgoing Incoming
}

/// The modules too.
pub mod std {}
/// The modules too.
pub mod core {}
/// The modules too.
pub mod traitwire {}
/// The modules too.
pub mod renamed {}
/// The modules too.
pub mod serde {}

/// Types that mean something else.
#[rpc_service(crate = "::renamed")]
pub trait Shadowed {
    /// They are passed on.
    async fn names(&self, option: Option, vec: &Vec, c: C, t: T, clone: &[Clone]) -> String;
    /// They come back.
    async fn shape(&self, future: Future, send: Send) -> Box;
    /// They stream.
    fn stream(&self, sink: Sink, items: &Items) -> impl ::renamed::Stream<Item = Infallible>;
    /// They stream both ways.
    async fn open(
        &self,
        send: &Send,
        stream: ::renamed::Streaming<Some>,
    ) -> ::std::result::Result<impl ::renamed::Stream<Item = Result>, Err>;
}

/// Implements it.
#[derive(::core::fmt::Debug)]
struct Basic;

impl Shadowed for Basic {
    async fn names(&self, option: Option, vec: &Vec, c: C, t: T, clone: &[Clone]) -> String {
        let first = clone.first().map_or(0, |clone| clone.field);
        String { field: option.field + vec.field + c.field + t.field + first }
    }

    async fn shape(&self, future: Future, send: Send) -> Box {
        Box { field: future.field + send.field }
    }

    fn stream(&self, sink: Sink, items: &Items) -> impl ::renamed::Stream<Item = Infallible> {
        ::futures::stream::iter([Infallible { field: sink.field }, Infallible { field: items.field }])
    }

    async fn open(
        &self,
        send: &Send,
        stream: ::renamed::Streaming<Some>,
    ) -> ::std::result::Result<impl ::renamed::Stream<Item = Result>, Err> {
        let field = send.field;
        ::core::result::Result::Ok(::futures::StreamExt::map(stream, move |_| Result { field }))
    }
}

#[test]
fn it_is_called() {
    crate::run(called());
}

async fn called() {
    let client = ShadowedClient::loopback(Basic);
    let names = client.names(
        Option { field: 1 },
        &Vec { field: 2 },
        C { field: 3 },
        T { field: 4 },
        &[Clone { field: 5 }],
    );
    ::core::assert_eq!(names.await.map_or(0, |string| string.field), 15);
    let shape = client.shape(Future { field: 1 }, Send { field: 2 });
    ::core::assert_eq!(shape.await.map_or(0, |shape| shape.field), 3);
    let stream = client.stream(Sink { field: 1 }, &Items { field: 2 });
    ::core::assert_eq!(::futures::StreamExt::count(stream).await, 2);
    let somes = ::futures::stream::iter([Some { field: 1 }]);
    let opened = client.open(&Send { field: 1 }, somes).await.expect("it opens");
    ::core::assert_eq!(::futures::StreamExt::count(opened).await, 1);
}
