//! An ordinary service, through a crate that is called `renamed`.

use ::renamed::rpc_service;
use ::std::option::Option;
use ::std::result::Result;
use ::std::string::String;
use ::std::vec::Vec;

/// What a word may be wrong for.
#[derive(::core::fmt::Debug, ::serde::Deserialize, ::serde::Serialize)]
#[non_exhaustive]
pub enum Wrong {
    /// It is empty.
    Empty,
}

impl ::core::convert::From<::renamed::RpcError> for Wrong {
    fn from(_: ::renamed::RpcError) -> Self {
        Self::Empty
    }
}

/// Every form of argument and answer.
#[rpc_service(crate = "::renamed")]
pub trait Words {
    /// One of each.
    async fn count(
        &self,
        text: &str,
        bytes: &[u8],
        words: &[String],
        wrong: &Wrong,
        maybe: Option<&str>,
        #[rpc(default)] list: Vec<u8>,
    ) -> Result<usize, Wrong>;
    /// Has a body.
    #[rpc(idempotent, timeout = "1s", blocking)]
    async fn body(&self, word: &str) -> Result<String, Wrong>
    where
        Self: ::core::marker::Sync,
    {
        self.count(word, &[], &[], &Wrong::Empty, Option::None, Vec::new()).await?;
        Result::Ok(::std::string::ToString::to_string(word))
    }
    /// Is old.
    #[deprecated]
    async fn old(&self, word: String) -> Result<(), Wrong>;
    /// Fails.
    async fn tell(&self) -> Result<(), Wrong>;
}

/// Of no use any more.
#[deprecated]
#[rpc_service(crate = "::renamed")]
pub trait Old {
    /// Still there.
    async fn still(&self) -> u8;
}

/// Nobody uses the parts of a private one.
mod quiet {
    #[::renamed::rpc_service(crate = "::renamed")]
    pub(super) trait Quiet {
        async fn unused(&self, a: u8) -> u8;
    }

    /// Implements it.
    #[derive(Debug)]
    pub(super) struct Basic;

    impl Quiet for Basic {
        async fn unused(&self, a: u8) -> u8 {
            a
        }
    }
}

/// Implements it.
#[derive(::core::fmt::Debug)]
struct Counter;

impl Words for Counter {
    async fn count(
        &self,
        text: &str,
        bytes: &[u8],
        words: &[String],
        _: &Wrong,
        maybe: Option<&str>,
        list: Vec<u8>,
    ) -> Result<usize, Wrong> {
        let maybe = maybe.map_or(0, str::len);
        Result::Ok(text.len() + bytes.len() + words.len() + maybe + list.len())
    }

    async fn old(&self, _: String) -> Result<(), Wrong> {
        Result::Ok(())
    }

    async fn tell(&self) -> Result<(), Wrong> {
        Result::Err(Wrong::Empty)
    }
}

#[test]
fn it_is_called() {
    crate::run(called());
}

async fn called() {
    let words = WordsClient::loopback(Counter);
    let counted = words.count("ab", b"c", &[String::new()], &Wrong::Empty, Option::Some("d"), Vec::new());
    ::core::assert_eq!(counted.await.expect("it is counted"), 5);
    ::core::assert_eq!(words.body("ab").await.expect("it has a body"), "ab");
    let _quiet = quiet::QuietServer::new(quiet::Basic);
}
