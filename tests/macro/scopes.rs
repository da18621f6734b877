//! Traits wherever Rust lets them stand: in functions, in modules, out of macros, behind conditions.

use traitwire::rpc_service;

use crate::caller::InProcess;

#[tokio::test]
async fn in_a_function_with_local_types() {
    #[derive(serde::Deserialize, serde::Serialize)]
    struct Local(u8);
    #[rpc_service]
    trait Inner {
        async fn local(&self, local: Local) -> Local;
    }
    struct Basic;
    impl Inner for Basic {
        async fn local(&self, local: Local) -> Local {
            local
        }
    }
    assert_eq!(InnerClient::loopback(Basic).local(Local(3)).await.unwrap().0, 3);
}

mod deep {
    pub(super) mod deeper {
        #[traitwire::rpc_service]
        pub(in crate::scopes) trait Scoped {
            async fn depth(&self) -> u8;
        }
        #[traitwire::rpc_service]
        #[cfg(any())]
        pub(crate) trait Gone {
            async fn missing(&self) -> Missing;
        }
    }
}

#[tokio::test]
async fn with_a_narrow_visibility() {
    struct Basic;
    impl deep::deeper::Scoped for Basic {
        async fn depth(&self) -> u8 {
            2
        }
    }
    assert_eq!(deep::deeper::ScopedClient::loopback(Basic).depth().await.unwrap(), 2);
}

trait Based: Send + Sync + 'static {
    fn base(&self) -> usize;
}

macro_rules! based_service {
    () => {
        #[rpc_service]
        trait FromMacro: Based {
            async fn echo(&self, text: &str) -> String;
            async fn fixed(&self, argument: &str) -> usize
            where
                Self: Sync,
            {
                argument.len() + self.base()
            }
        }
    };
}

based_service!();

struct Three;

impl Based for Three {
    fn base(&self) -> usize {
        3
    }
}

impl FromMacro for Three {
    async fn echo(&self, text: &str) -> String {
        text.to_owned()
    }
}

#[tokio::test]
async fn out_of_a_macro() {
    let client = FromMacroClient::new(InProcess::new(FromMacroServer::new(Three)));
    assert_eq!(client.echo("x").await.unwrap(), "x");
    assert_eq!(client.fixed("four").await.unwrap(), 7);
}

macro_rules! plain_service {
    ($name:ident { $($method:ident($($argument:ident: $ty:ty),*) -> $returned:ty = $value:expr;)* }) => {
        #[rpc_service]
        trait $name {
            $(async fn $method(&self, $($argument: $ty),*) -> $returned { $value })*
        }
    };
}

plain_service!(Parts {
    length(text: &str) -> usize = text.len();
    sum(a: i64, b: Option<i64>) -> Result<i64, String> = b.map(|b| a + b).ok_or_else(|| "none".to_owned());
    count(list: &[u16]) -> usize = list.len();
});

#[tokio::test]
async fn out_of_a_macro_with_types_as_fragments() {
    struct Basic;
    impl Parts for Basic {}
    let client = PartsClient::loopback(Basic);
    assert_eq!(client.length("abc").await.unwrap(), 3);
    assert_eq!(client.sum(1, Some(2)).await.unwrap(), 3);
    assert_eq!(client.sum(1, None).await.unwrap_err().app().unwrap(), "none");
    assert_eq!(client.count(&[1, 2]).await.unwrap(), 2);
}

#[rpc_service]
trait Conditional
where
    Self: Sized,
    Vec<Self>: Clone,
{
    #[cfg(not(any()))]
    async fn here(&self, #[rpc(default)] a: u8) -> u8;
    #[cfg(any())]
    async fn gone(&self, a: Missing) -> Missing;
    async fn last(&self) -> u8;
}

#[derive(Clone)]
struct Basic;

impl Conditional for Basic {
    async fn here(&self, a: u8) -> u8 {
        a
    }
    async fn last(&self) -> u8 {
        9
    }
}

#[tokio::test]
async fn with_conditions() {
    let client = ConditionalClient::loopback(Basic);
    assert_eq!(client.here(4).await.unwrap(), 4);
    assert_eq!(client.last().await.unwrap(), 9);
}

/// The generic implementer of the design: a service over any store.
#[rpc_service]
trait Sum {
    async fn sum(&self, a: i64) -> i64;
}

struct Calc<S>(S);

impl<S: Fn(i64) -> i64 + Send + Sync + 'static> Sum for Calc<S> {
    async fn sum(&self, a: i64) -> i64 {
        (self.0)(a)
    }
}

#[tokio::test]
async fn with_a_generic_implementer() {
    let client = SumClient::loopback(Calc(|a| a + 1));
    assert_eq!(client.sum(1).await.unwrap(), 2);
}
