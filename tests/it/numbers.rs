//! Owns [`Numbers`], a service whose methods have streams in every form, and [`Basic`], which serves it and counts what
//! becomes of its handlers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures::{Stream, StreamExt, stream};
use serde::{Deserialize, Serialize};
use traitwire::{Context, Streaming, rpc_service};

/// The service's own error.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
pub(crate) enum Failed {
    Early,
    Late(u32),
}

#[rpc_service]
pub(crate) trait Numbers {
    /// Counts up, and fails at 13.
    fn count(&self, from: u32, to: u32) -> impl Stream<Item = Result<u32, Failed>>;
    fn blocks(&self, count: u32, size: usize) -> impl Stream<Item = Vec<u8>>;
    /// As many items as the name has letters; there is none for `missing`.
    async fn open(&self, name: &str) -> Result<impl Stream<Item = u32>, Failed>;
    async fn sum(&self, start: i64, values: Streaming<i64>) -> i64;
    /// Takes the first thing that is no value for the end.
    async fn careless(&self, values: Streaming<i64>) -> u32;
    fn doubled(&self, values: Streaming<i64>) -> impl Stream<Item = i64>;
    /// The sum of values that are read one a second.
    async fn slowly(&self, values: Streaming<i64>) -> i64;
    /// The first value, whatever follows it.
    async fn first(&self, values: Streaming<i64>) -> Option<i64>;
    /// Three items, and then nothing for ever.
    fn stuck(&self) -> impl Stream<Item = u32>;
    /// Never returns its stream.
    async fn never(&self) -> Result<impl Stream<Item = u32>, Failed>;
    /// Panics after two items.
    fn panics(&self) -> impl Stream<Item = u32>;
    /// How often the metadata `tag` says, beside metadata of its own.
    fn tagged(&self) -> impl Stream<Item = String>;
}

/// What has become of handlers.
#[derive(Debug, Default)]
pub(crate) struct Fates {
    pub(crate) started: AtomicU32,
    pub(crate) dropped: AtomicU32,
    /// Uploads that were read to their end.
    pub(crate) whole: AtomicU32,
    pub(crate) taken: AtomicU32,
}

impl Fates {
    fn start(self: &Arc<Self>) -> Guard {
        self.started.fetch_add(1, Ordering::SeqCst);
        Guard(Arc::clone(self))
    }
}

/// Counts the end of a handler.
struct Guard(Arc<Fates>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Basic {
    pub(crate) fates: Arc<Fates>,
}

impl Numbers for Basic {
    fn count(&self, from: u32, to: u32) -> impl Stream<Item = Result<u32, Failed>> {
        stream::iter(from..to).map(|n| if n == 13 { Err(Failed::Late(n)) } else { Ok(n) })
    }

    fn blocks(&self, count: u32, size: usize) -> impl Stream<Item = Vec<u8>> {
        stream::iter(0..count).map(move |n| vec![n as u8; size])
    }

    async fn open(&self, name: &str) -> Result<impl Stream<Item = u32>, Failed> {
        let length = name.len() as u32;
        if name == "missing" { Err(Failed::Early) } else { Ok(stream::iter(0..length)) }
    }

    async fn sum(&self, start: i64, mut values: Streaming<i64>) -> i64 {
        let _guard = self.fates.start();
        let mut sum = start;
        while let Some(value) = values.next().await {
            let Ok(value) = value else { return -1 };
            sum += value;
            self.fates.taken.fetch_add(1, Ordering::SeqCst);
        }
        self.fates.whole.fetch_add(1, Ordering::SeqCst);
        sum
    }

    async fn careless(&self, mut values: Streaming<i64>) -> u32 {
        let mut count = 0;
        while let Some(Ok(_)) = values.next().await {
            count += 1;
        }
        self.fates.whole.fetch_add(1, Ordering::SeqCst);
        count
    }

    fn doubled(&self, values: Streaming<i64>) -> impl Stream<Item = i64> {
        let guard = self.fates.start();
        let taken = &self.fates.taken;
        values.filter_map(move |value| {
            let _guard = &guard;
            taken.fetch_add(1, Ordering::SeqCst);
            std::future::ready(value.ok().map(|value| value * 2))
        })
    }

    async fn slowly(&self, mut values: Streaming<i64>) -> i64 {
        let mut sum = 0;
        while let Some(value) = values.next().await {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            sum += value.unwrap();
        }
        sum
    }

    async fn first(&self, mut values: Streaming<i64>) -> Option<i64> {
        values.next().await.and_then(Result::ok)
    }

    fn stuck(&self) -> impl Stream<Item = u32> {
        let guard = self.fates.start();
        stream::iter(0..3).chain(stream::pending()).inspect(move |_| {
            let _guard = &guard;
        })
    }

    async fn never(&self) -> Result<impl Stream<Item = u32>, Failed> {
        let _guard = self.fates.start();
        std::future::pending::<()>().await;
        Ok(stream::empty())
    }

    fn panics(&self) -> impl Stream<Item = u32> {
        stream::iter(0..3).inspect(|n| assert!(*n < 2, "as it must"))
    }

    fn tagged(&self) -> impl Stream<Item = String> {
        let context = Context::current();
        context.set_reply_metadata("kind", "tags").unwrap();
        let tag = context.metadata().text("tag").unwrap_or_default().to_owned();
        stream::iter([tag])
    }
}
