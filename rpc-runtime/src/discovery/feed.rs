//! Owns [`Feed`]: how a task says what it has found, and waits before it tries again. Does not know what it reads.

use futures::StreamExt;
use futures::stream;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::sleep;

use crate::call::{Throw, roll};
use crate::discovery::{DiscoveryError, Endpoint, Updates};
use crate::limits;
use crate::policy::Backoff;

type Said = Result<Vec<Endpoint>, DiscoveryError>;

/// The end of a source that the task which reads it has.
pub(crate) struct Feed {
    said: mpsc::Sender<Said>,
    backoff: Backoff,
}

impl Feed {
    /// A source that is read by a task: it begins when the stream is first polled, and ends with it.
    pub(crate) fn of<F>(read: impl FnOnce(Self) -> F + Send + 'static) -> Updates
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let begun = async move {
            // One list at a time: a reader that is slower than its source gets the latest it can.
            let (said, mut heard) = mpsc::channel(1);
            let backoff = Backoff::new(limits::SOURCE_BACKOFF_FIRST, limits::SOURCE_BACKOFF_LAST);
            let task = Task(tokio::spawn(read(Self { said, backoff })).abort_handle());
            stream::poll_fn(move |cx| {
                let _ = &task;
                heard.poll_recv(cx)
            })
        };
        stream::once(begun).flatten().boxed()
    }

    /// Says a list: the source is well.
    pub(crate) async fn say(&mut self, endpoints: Vec<Endpoint>) {
        self.backoff.reset();
        // Fails only if nobody reads any more, and then this task is about to end.
        let _ = self.said.send(Ok(endpoints)).await;
    }

    /// Says what is wrong.
    pub(crate) async fn complain(&self, error: DiscoveryError) {
        let _ = self.said.send(Err(error)).await;
    }

    /// Says what is wrong, and waits until it is time to try again.
    pub(crate) async fn fail(&mut self, error: DiscoveryError) {
        self.complain(error).await;
        sleep(self.backoff.next(Throw(roll()))).await;
    }
}

struct Task(AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;
    use crate::policy::now;

    #[tokio::test(start_paused = true)]
    async fn waits_grow_until_something_is_said_and_the_task_ends_with_the_stream() {
        let (sender, mut gone) = mpsc::channel::<()>(1);
        let mut updates = Feed::of(async move |mut feed| {
            let _sender = sender;
            loop {
                for _ in 0..9 {
                    feed.fail(DiscoveryError::new("away")).await;
                }
                feed.say(Vec::new()).await;
            }
        });
        let mut waits = Vec::new();
        for _ in 0..2 {
            let began = now();
            for _ in 0..9 {
                updates.next().await.unwrap().unwrap_err();
            }
            assert!(updates.next().await.unwrap().unwrap().is_empty());
            waits.push(now() - began);
        }
        // 0.1, 0.16, … up to 2 s: 8 s in all, and again after something was said.
        assert!(
            waits.iter().all(|wait| (Duration::from_secs(5)..Duration::from_secs(10)).contains(wait)),
            "{waits:?}"
        );
        drop(updates);
        assert!(poll_fn(|cx| gone.poll_recv(cx)).await.is_none());
    }
}
