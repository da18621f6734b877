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
    /// Streams.
    #[rpc(timeout = "1s", idle_timeout = "2s", total_timeout = "3s")]
    fn all(&self, text: &str, words: &[String]) -> impl ::renamed::Stream<Item = Result<String, Wrong>>;
    /// Streams once it is open.
    async fn open(
        &self,
        words: ::renamed::Streaming<String>,
        text: &str,
    ) -> Result<impl ::renamed::Stream<Item = Result<String, Wrong>>, Wrong>;
    /// Takes a stream.
    async fn sum(&self, numbers: ::renamed::Streaming<u32>, plus: u32) -> Result<u32, Wrong>;
}

/// Streams that cannot fail.
#[rpc_service(crate = "::renamed")]
pub trait Streams {
    /// At once, with a body.
    fn ticks(&self, n: u32) -> impl ::renamed::Stream<Item = u32> {
        ::futures::stream::iter(0..n)
    }
    /// Opened, with a body.
    async fn opened(&self, words: Vec<String>) -> impl ::renamed::Stream<Item = String> {
        ::futures::stream::iter(words)
    }
    /// Both ways.
    async fn both(
        &self,
        numbers: ::renamed::Streaming<u32>,
    ) -> Result<impl ::renamed::Stream<Item = u32>, Wrong>;
}

/// Implements it.
#[derive(::core::fmt::Debug)]
struct Streamer;

impl Streams for Streamer {
    async fn both(
        &self,
        numbers: ::renamed::Streaming<u32>,
    ) -> Result<impl ::renamed::Stream<Item = u32>, Wrong> {
        Result::Ok(::futures::StreamExt::filter_map(numbers, async |number| Result::ok(number)))
    }
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

    fn all(&self, text: &str, words: &[String]) -> impl ::renamed::Stream<Item = Result<String, Wrong>> {
        let words = ::futures::StreamExt::map(::futures::stream::iter(words), ::core::clone::Clone::clone);
        let text = ::futures::stream::iter([::std::borrow::ToOwned::to_owned(text)]);
        ::futures::StreamExt::map(::futures::StreamExt::chain(words, text), Result::Ok)
    }

    async fn open(
        &self,
        words: ::renamed::Streaming<String>,
        text: &str,
    ) -> Result<impl ::renamed::Stream<Item = Result<String, Wrong>>, Wrong> {
        if text.is_empty() {
            return Result::Err(Wrong::Empty);
        }
        Result::Ok(::futures::StreamExt::map(words, |word| word.map_err(::core::convert::Into::into)))
    }

    async fn sum(&self, mut numbers: ::renamed::Streaming<u32>, plus: u32) -> Result<u32, Wrong> {
        let mut sum = plus;
        while let Option::Some(number) = ::futures::StreamExt::next(&mut numbers).await {
            sum += number?;
        }
        Result::Ok(sum)
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
    let numbers = ::futures::stream::iter([1, 2, 3]);
    ::core::assert_eq!(words.sum(numbers, 4).await.expect("it is summed"), 10);
    let mut all = words.all("b", &[::std::borrow::ToOwned::to_owned("a")]);
    for expected in ["a", "b"] {
        let word = ::futures::StreamExt::next(&mut all).await.expect("there is one more");
        ::core::assert_eq!(word.expect("it is a word"), expected);
    }
    ::core::assert!(::futures::StreamExt::next(&mut all).await.is_none());
    let texts = [::std::borrow::ToOwned::to_owned("c")];
    let opened = words.open(::futures::stream::iter(texts), "d").await;
    let last = ::futures::StreamExt::next(&mut opened.expect("it opens")).await;
    ::core::assert_eq!(last.expect("there is one").expect("it is a word"), "c");
    let streams = StreamsClient::loopback(Streamer);
    ::core::assert_eq!(::futures::StreamExt::count(streams.ticks(3)).await, 3);
    let just = streams.opened(::std::vec![String::new()]).await.expect("it opens");
    ::core::assert_eq!(::futures::StreamExt::count(just).await, 1);
    let both = streams.both(::futures::stream::iter([1, 2])).await.expect("it opens");
    ::core::assert_eq!(::futures::StreamExt::count(both).await, 2);
    let _quiet = quiet::QuietServer::new(quiet::Basic);
}
