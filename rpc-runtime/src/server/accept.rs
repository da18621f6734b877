//! Owns [`accept`]: the loop that neither dies nor spins. Does not know what becomes of a link.

use std::io;

use crate::limits;
use crate::transport::{Link, Listener};

/// Accepts links for ever, and hands each one on.
///
/// An error of one connection (`ECONNABORTED`, say) is nobody else's. When descriptors or memory run out, accepting
/// again at once would fail again at once: the loop says so and pauses, and the kernel keeps those who wait in its backlog.
pub(super) async fn accept(
    listener: &mut dyn Listener,
    mut each: impl FnMut(Link),
    mut exhausted: impl FnMut(),
) {
    let mut failing = false;
    loop {
        match listener.accept().await {
            Ok(link) => {
                failing = false;
                each(link);
            }
            Err(error) if concerns_one_connection(&error) => {
                tracing::debug!(%error, "a connection was gone before it was accepted");
            }
            Err(error) => {
                // Said once for each spell of failures: a loop that logs is a disk that fills.
                if !std::mem::replace(&mut failing, true) {
                    tracing::error!(%error, address = listener.address(), "cannot accept; trying again");
                }
                if is_exhausted(&error) {
                    exhausted();
                }
                tokio::time::sleep(limits::ACCEPT_PAUSE).await;
            }
        }
    }
}

/// `ENFILE`, `EMFILE`, `ENOMEM`, `ENOBUFS`, which have no kinds of their own.
fn is_exhausted(error: &io::Error) -> bool {
    const ENOBUFS: i32 = if cfg!(any(target_os = "linux", target_os = "android")) { 105 } else { 55 };
    matches!(error.raw_os_error(), Some(23 | 24 | 12 | ENOBUFS))
}

fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use async_trait::async_trait;

    use super::*;
    use crate::transport::pipe;

    /// Fails as it is told to, then gives links.
    struct Scripted {
        script: Vec<io::Error>,
        asked: usize,
    }

    #[async_trait]
    impl Listener for Scripted {
        async fn accept(&mut self) -> io::Result<Link> {
            self.asked += 1;
            match self.script.pop() {
                Some(error) => Err(error),
                None => Ok(pipe().0),
            }
        }

        fn address(&self) -> String {
            "scripted".into()
        }
    }

    /// `EMFILE`, `ENFILE`, `ENOBUFS`, `ENOMEM`; `ECONNABORTED`, `ECONNRESET`, `EINTR`.
    const EXHAUSTED: [i32; 4] = [24, 23, 105, 12];
    const PASSING: [i32; 3] = [103, 104, 4];
    /// `EPERM` (a firewall's word), `ENETUNREACH`: neither of one connection for sure, nor a want of anything.
    const OTHER: [i32; 2] = [1, 101];

    #[tokio::test(start_paused = true)]
    async fn it_outlives_every_error_and_pauses_where_it_must() {
        let script: Vec<_> = EXHAUSTED
            .iter()
            .chain(&OTHER)
            .chain(&PASSING)
            .map(|&code| io::Error::from_raw_os_error(code))
            .collect();
        let total = script.len();
        let mut listener = Scripted { script, asked: 0 };
        let began = tokio::time::Instant::now();
        let mut links = 0;
        let mut told = 0;
        let accepting = accept(&mut listener, |_| links += 1, || told += 1);
        // The scripted listener is always ready after its script, so only the pauses give the timeout its turn.
        let pauses = limits::ACCEPT_PAUSE * (EXHAUSTED.len() + OTHER.len()) as u32;
        let limited = tokio::time::timeout(pauses - Duration::from_millis(1), accepting).await;
        assert!(limited.is_err());
        assert_eq!(began.elapsed(), pauses - Duration::from_millis(1));
        assert_eq!((links, listener.asked, told), (0, total, EXHAUSTED.len()));
    }
}
