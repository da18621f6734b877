//! Names that meet: methods called like the client's own, raw identifiers, types called like type parameters, two
//! traits with the same methods in one scope.

use serde::{Deserialize, Serialize};
use traitwire::{Client, rpc_service};

use crate::caller::InProcess;

/// Every name that the generated code or a derive uses.
#[rpc_service]
#[expect(clippy::wrong_self_convention, reason = "every name is allowed")]
pub(crate) trait Shadow {
    async fn new(&self, a: u8) -> u8;
    async fn connect(&self) -> u8;
    async fn loopback(&self) -> u8;
    async fn with(&self) -> u8;
    async fn serve(&self) -> u8;
    async fn call(&self, request: u8, caller: u8, options: u8) -> u8;
    async fn handle(&self, service: u8, payload: u8, incoming: u8, returned: u8, method: u8) -> u8;
    async fn clone(&self) -> u8;
    async fn fmt(&self) -> u8;
    async fn descriptor(&self) -> u8;
    async fn from(&self) -> u8;
    async fn into(&self) -> u8;
    async fn caller(&self) -> u8;
    async fn from_caller(&self) -> u8;
    async fn with_options(&self, bytes: u8, outgoing: u8, index: u8) -> u8;
    async fn options(&self) -> u8;
    async fn drop(&self) -> u8;
    async fn poll(&self) -> u8;
    async fn r#type(&self, r#match: u8) -> u8;
    async fn r#await(&self) -> u8;
}

pub(crate) struct Basic;

impl Shadow for Basic {
    async fn new(&self, a: u8) -> u8 {
        a
    }
    async fn connect(&self) -> u8 {
        1
    }
    async fn loopback(&self) -> u8 {
        2
    }
    async fn with(&self) -> u8 {
        3
    }
    async fn serve(&self) -> u8 {
        4
    }
    async fn call(&self, request: u8, caller: u8, options: u8) -> u8 {
        request + caller + options
    }
    async fn handle(&self, service: u8, payload: u8, incoming: u8, returned: u8, method: u8) -> u8 {
        service + payload + incoming + returned + method
    }
    async fn clone(&self) -> u8 {
        5
    }
    async fn fmt(&self) -> u8 {
        6
    }
    async fn descriptor(&self) -> u8 {
        7
    }
    async fn from(&self) -> u8 {
        8
    }
    async fn into(&self) -> u8 {
        9
    }
    async fn caller(&self) -> u8 {
        10
    }
    async fn from_caller(&self) -> u8 {
        11
    }
    async fn with_options(&self, bytes: u8, outgoing: u8, index: u8) -> u8 {
        bytes + outgoing + index
    }
    async fn options(&self) -> u8 {
        12
    }
    async fn drop(&self) -> u8 {
        13
    }
    async fn poll(&self) -> u8 {
        14
    }
    async fn r#type(&self, r#match: u8) -> u8 {
        r#match
    }
    async fn r#await(&self) -> u8 {
        15
    }
}

#[tokio::test]
#[expect(clippy::needless_borrow, reason = "without it, `into` is that of `Into`")]
async fn no_method_name_is_forbidden() {
    let client: ShadowClient<InProcess> = InProcess::new(ShadowServer::new(Basic)).into();
    assert_eq!(client.new(42).await.unwrap(), 42);
    assert_eq!(client.call(1, 2, 3).await.unwrap(), 6);
    assert_eq!(client.handle(1, 2, 3, 4, 5).await.unwrap(), 15);
    assert_eq!(client.with_options(1, 2, 3).await.unwrap(), 6);
    assert_eq!(client.r#type(7).await.unwrap(), 7);
    let mut answers = Vec::new();
    for call in [
        client.connect(),
        client.loopback(),
        client.with(),
        client.serve(),
        client.clone(),
        client.fmt(),
        client.descriptor(),
        client.from(),
        (&client).into(),
        client.caller(),
        client.from_caller(),
        client.options(),
        client.drop(),
        client.poll(),
        client.r#await(),
    ] {
        answers.push(call.await.unwrap());
    }
    assert_eq!(answers, (1..=15).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_permanent_ways_stay() {
    let caller = InProcess::new(ShadowServer::new(Basic));
    let client = <ShadowClient<InProcess> as Client>::from_caller(caller);
    let other = traitwire::with(&Clone::clone(&client), traitwire::CallOptions::new().metadata("a", "b"));
    other.poll().await.unwrap();
    assert_eq!(Client::caller(&client).seen()[0].metadata, [("a".to_owned(), "b".to_owned())]);
    let looped = traitwire::loopback::<ShadowClient>(ShadowServer::new(Basic));
    assert_eq!(looped.connect().await.unwrap(), 1);
    assert_eq!(<ShadowClient as Client>::DESCRIPTOR.methods[18].full_name, "Shadow.type");
    assert!(traitwire::connect::<ShadowClient>("nowhere://x").await.is_err());
}

#[tokio::test]
async fn a_conditional_method_takes_a_short_form_only_while_it_is_there() {
    #[rpc_service]
    trait Conditional {
        #[cfg(any())]
        async fn new(&self) -> Missing;
        #[cfg(not(any()))]
        async fn with(&self) -> u8;
        #[cfg_attr(not(any()), cfg(any()))]
        async fn loopback(&self) -> Missing;
    }
    struct Basic;
    impl Conditional for Basic {
        async fn with(&self) -> u8 {
            1
        }
    }
    let client = ConditionalClient::new(InProcess::new(ConditionalServer::new(Basic)));
    assert_eq!(client.with().await.unwrap(), 1);
    assert_eq!(ConditionalClient::loopback(Basic).with().await.unwrap(), 1);
    let methods = <ConditionalClient as Client>::DESCRIPTOR.methods;
    assert_eq!(methods.iter().map(|method| (method.name, method.index)).collect::<Vec<_>>(), [("with", 1)]);
}

/// Called like the type parameters that everybody takes.
#[derive(Deserialize, Serialize)]
pub(crate) struct C(u8);

#[derive(Deserialize, Serialize)]
pub(crate) struct T(u8);

#[rpc_service]
pub(crate) trait Parameters {
    async fn swap(&self, c: C, t: T) -> (T, C);
}

struct Swap;

impl Parameters for Swap {
    async fn swap(&self, c: C, t: T) -> (T, C) {
        (t, c)
    }
}

#[tokio::test]
async fn types_may_be_called_like_type_parameters() {
    let client = ParametersClient::loopback(Swap);
    let (t, c) = client.swap(C(1), T(2)).await.unwrap();
    assert_eq!((t.0, c.0), (2, 1));
}

#[rpc_service]
trait Left {
    async fn name(&self) -> String;
    async fn side(&self) -> u8;
}

#[rpc_service(name = "acme.Right")]
trait Right {
    async fn name(&self) -> String;
    #[rpc(name = "hand")]
    async fn side(&self) -> u8;
}

struct Both;

impl Left for Both {
    async fn name(&self) -> String {
        "left".into()
    }
    async fn side(&self) -> u8 {
        0
    }
}

impl Right for Both {
    async fn name(&self) -> String {
        "right".into()
    }
    async fn side(&self) -> u8 {
        1
    }
}

#[tokio::test]
async fn two_traits_with_the_same_methods_live_together() {
    let both = std::sync::Arc::new(Both);
    let left = LeftClient::new(InProcess::new(LeftServer::from(both.clone())));
    let right = RightClient::new(InProcess::new(RightServer::from(both)));
    assert_eq!(left.name().await.unwrap(), "left");
    assert_eq!(right.name().await.unwrap(), "right");
    assert_eq!((left.side().await.unwrap(), right.side().await.unwrap()), (0, 1));
    assert_eq!(Client::caller(&right).seen()[1].method, "acme.Right.hand");
}
