//! Owns [`Streaming`], a stream of values as an argument, for those who send it and for those who receive it, and
//! [`Progress`], how far a stream has come. Does not know how a value is encoded: generated code brings that.

use std::fmt;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::{Stream, StreamExt};

use crate::call::{Batch, Caps, Items, MethodDescriptor, RpcError};

/// A stream of values that a caller sends beside the arguments of a call.
///
/// A method takes it as an argument; the handler reads it as a stream of `Result<T, RpcError>`. Without an error before it,
/// `None` says that the caller has sent everything. An error is the last item, and not that end: something that does not
/// decode. A caller that gives up or is lost stops the handler, which sees nothing of it; where the stream is read elsewhere,
/// in a task of its own or in a `blocking` method, that is an error too. So do not skip errors. Items that are not read stay
/// with the caller, up to the stream's credit.
///
/// Any `impl Stream<Item = T> + Send + 'static` can be sent as one:
///
/// ```
/// use futures::{StreamExt, stream};
/// use traitwire::{Streaming, rpc_service};
///
/// #[rpc_service]
/// trait Adder {
///     async fn sum(&self, values: Streaming<i64>) -> Result<i64, String>;
/// }
///
/// struct Plain;
///
/// impl Adder for Plain {
///     async fn sum(&self, mut values: Streaming<i64>) -> Result<i64, String> {
///         let mut sum = 0;
///         while let Some(value) = values.next().await {
///             sum += value.map_err(|error| error.to_string())?;
///         }
///         Ok(sum)
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let adder = AdderClient::loopback(Plain);
/// assert_eq!(adder.sum(stream::iter(1..=4)).await.unwrap(), 10);
/// # });
/// ```
#[must_use = "streams do nothing unless polled"]
pub struct Streaming<T> {
    source: Source<T>,
    progress: Progress,
}

enum Source<T> {
    /// Values of this process, or of whatever makes them.
    Local(Pin<Box<dyn Stream<Item = Result<T, RpcError>> + Send>>),
    /// Values that come encoded.
    Remote(Remote<T>),
    Over,
}

/// How an item is read.
pub(crate) type ReadItem<T> = fn(&'static MethodDescriptor, &[u8], Caps) -> Result<T, RpcError>;

struct Remote<T> {
    items: Items,
    batch: Batch,
    method: &'static MethodDescriptor,
    read: ReadItem<T>,
}

impl<T> Streaming<T> {
    /// A stream whose source may fail: the call ends with its error then.
    pub fn fallible(values: impl Stream<Item = Result<T, RpcError>> + Send + 'static) -> Self {
        Self { source: Source::Local(Box::pin(values)), progress: Progress::default() }
    }

    /// Values that come encoded.
    pub(crate) fn remote(items: Items, method: &'static MethodDescriptor, read: ReadItem<T>) -> Self {
        let remote = Remote { items, batch: Batch::new(), method, read };
        Self { source: Source::Remote(remote), progress: Progress::default() }
    }

    /// What has been read of it so far. The bytes of values that never were on a wire are not counted.
    pub const fn received(&self) -> Progress {
        self.progress
    }
}

impl<T: 'static, S: Stream<Item = T> + Send + 'static> From<S> for Streaming<T> {
    fn from(values: S) -> Self {
        Self::fallible(values.map(Ok))
    }
}

impl<T> Stream for Streaming<T> {
    type Item = Result<T, RpcError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let next = match &mut this.source {
            Source::Local(values) => {
                let next = ready!(values.as_mut().poll_next(cx));
                next.inspect(|_| this.progress.add(0))
            }
            Source::Remote(remote) => ready!(remote.poll_next(cx, &mut this.progress)),
            Source::Over => None,
        };
        if !matches!(next, Some(Ok(_))) {
            this.source = Source::Over;
        }
        Poll::Ready(next)
    }
}

impl<T> Remote<T> {
    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        progress: &mut Progress,
    ) -> Poll<Option<Result<T, RpcError>>> {
        loop {
            if let Some(item) = self.batch.first() {
                progress.add(item.len());
                self.items.took(item.len());
                let value = (self.read)(self.method, item, self.items.caps());
                self.batch.pop();
                return Poll::Ready(Some(value));
            }
            match ready!(self.items.poll(cx, &mut self.batch)) {
                ControlFlow::Continue(()) => {}
                ControlFlow::Break(end) => return Poll::Ready(end.err().map(Err)),
            }
        }
    }
}

// A value is never pinned: it is handed out.
impl<T> Unpin for Streaming<T> {}

impl<T> fmt::Debug for Streaming<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streaming").field("received", &self.progress).finish_non_exhaustive()
    }
}

// ===== impl Progress =====

/// How far a stream has come.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Progress {
    /// How many items there were.
    pub items: u64,
    /// Their encoded bytes.
    pub bytes: u64,
}

impl Progress {
    pub(crate) const fn add(&mut self, bytes: usize) {
        self.items += 1;
        self.bytes += bytes as u64;
    }
}
