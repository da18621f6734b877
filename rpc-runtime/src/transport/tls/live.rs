//! Owns [`Live`]: settings as they are in use, read again when their files change. Does not know what is made of them.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::limits;
use crate::transport::tls::TlsError;
use crate::transport::tls::source::{Contents, Source};

/// Settings that something is made of, for one side of a handshake.
pub(super) trait Settings: Clone + Send + Sync + 'static {
    /// What a handshake uses.
    type Made: Send + Sync + 'static;

    /// What is read.
    fn sources(&self) -> Vec<Source>;

    /// Makes it of what was read.
    fn make(&self, contents: &Contents) -> Result<Self::Made, TlsError>;
}

/// What came of reading settings again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Reloaded {
    /// Nothing has changed.
    Unchanged,
    /// Something has, and handshakes use it from now on.
    Changed,
}

/// Settings, and what was made of them when they were last read.
///
/// Handshakes look for changes, not a task: whoever makes the first one after the
/// [interval](limits::CERTIFICATES_CHECK) reads the files, and goes on when that is done; others go on at once with what
/// there is. So nothing outlives the server or the channel, and a process that nobody connects to reads nothing.
///
/// Before there is anything in use, a handshake that meets files of which one was replaced and the other not yet waits for the
/// other, [for a while](limits::CERTIFICATES_FIRST). Files that have been waited for in vain are an error at once from then on, so
/// that handshakes do not wait one behind the other.
///
/// What is in use is one value that is replaced as a whole: no handshake meets a new certificate with an old key. What
/// cannot be used replaces nothing.
pub(super) struct Live<S: Settings> {
    now: Mutex<Now<S>>,
    /// Held while files are read, so that an older reading never replaces a newer one.
    reading: tokio::sync::Mutex<()>,
}

struct Now<S: Settings> {
    settings: S,
    made: Option<Arc<S::Made>>,
    /// What `made` was made of.
    of: Option<Contents>,
    /// What nothing could be made of, although it was waited for.
    in_vain: Option<Contents>,
    checked: Option<Instant>,
    /// The last fault that was logged: the same one is not said again.
    said: Option<String>,
}

impl<S: Settings> Live<S> {
    pub(super) fn new(settings: S) -> Self {
        let now = Now { settings, made: None, of: None, in_vain: None, checked: None, said: None };
        Self { now: Mutex::new(now), reading: tokio::sync::Mutex::default() }
    }

    /// The settings, to make others of them.
    pub(super) fn settings(&self) -> S {
        self.now.lock().settings.clone()
    }

    /// What a handshake is to use.
    ///
    /// # Errors
    ///
    /// When nothing was ever made of the settings, and nothing can be.
    pub(super) async fn current(&self) -> Result<Arc<S::Made>, TlsError> {
        let made = {
            let mut now = self.now.lock();
            let (made, at) = (now.made.clone(), Instant::now());
            let due = now.checked.is_none_or(|checked| at - checked >= limits::CERTIFICATES_CHECK);
            match made {
                Some(made) if !due || !now.settings.sources().iter().any(Source::is_file) => return Ok(made),
                made => {
                    now.checked = Some(at);
                    made
                }
            }
        };
        match (self.read(Found::ByLooking).await, made) {
            (Ok(_), _) => {}
            (Err(_), Some(old)) => return Ok(old),
            (Err(error), None) => return Err(error),
        }
        self.now.lock().made.clone().ok_or(TlsError::NoCertificate)
    }

    /// Reads the files now: whoever asks for it has written them.
    pub(super) async fn reload(&self) -> Result<Reloaded, TlsError> {
        self.read(Found::ByBeingTold).await
    }

    async fn read(&self, found: Found) -> Result<Reloaded, TlsError> {
        let _reading = self.reading.lock().await;
        let (settings, of, is_first) = {
            let now = self.now.lock();
            (now.settings.clone(), now.of.clone(), now.made.is_none())
        };
        let made = if is_first && found == Found::ByLooking {
            self.make_first(&settings).await
        } else {
            make(&settings, of.as_ref(), found).await
        };
        self.take(settings, made)
    }

    /// Makes something where there is nothing yet.
    async fn make_first(&self, settings: &S) -> Result<Option<Made<S>>, TlsError> {
        let (began, in_vain) = (Instant::now(), self.now.lock().in_vain.clone());
        // What is in memory does not come to fit.
        let may_change = settings.sources().iter().any(Source::is_file);
        loop {
            let read = Contents::of(settings.sources()).await?;
            match make_of(settings, read.clone()).await {
                Err(error)
                    if may_change && error.may_be_half_replaced() && in_vain.as_ref() != Some(&read) =>
                {
                    if began.elapsed() >= limits::CERTIFICATES_FIRST {
                        self.now.lock().in_vain = Some(read);
                        return Err(error);
                    }
                    tokio::time::sleep(limits::CERTIFICATES_SETTLE).await;
                }
                made => return made.map(Some),
            }
        }
    }

    /// Uses other settings from now on, if they can be used.
    pub(super) async fn replace(&self, settings: S) -> Result<Reloaded, TlsError> {
        let _reading = self.reading.lock().await;
        let made = make(&settings, None, Found::ByBeingTold).await;
        self.take(settings, made)
    }

    fn take(&self, settings: S, made: Result<Option<Made<S>>, TlsError>) -> Result<Reloaded, TlsError> {
        let mut now = self.now.lock();
        now.checked = Some(Instant::now());
        match made {
            Ok(None) => {
                now.said = None;
                Ok(Reloaded::Unchanged)
            }
            Ok(Some(Made { made, of })) => {
                let is_first = now.made.is_none();
                let (made, of, checked) = (Some(made), Some(of), now.checked);
                *now = Now { settings, made, of, in_vain: None, checked, said: None };
                drop(now);
                if !is_first {
                    tracing::info!("certificates have changed: new connections use them");
                }
                Ok(Reloaded::Changed)
            }
            Err(error) => {
                let text = error.to_string();
                let is_news = now.said.as_deref() != Some(&text);
                let has_old = now.made.is_some();
                now.said = Some(text);
                drop(now);
                if is_news && has_old {
                    tracing::error!(%error, "certificates have changed and cannot be used: the old ones stay in use");
                }
                Err(error)
            }
        }
    }
}

struct Made<S: Settings> {
    made: Arc<S::Made>,
    of: Contents,
}

/// How a change comes to be known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Found {
    ByBeingTold,
    /// Whoever writes the files may be at it still.
    ByLooking,
}

/// Reads the files and makes something of them; `None` if they are as they were.
///
/// A change that was found by looking counts only when the files stay the same for a moment. That does not find a writer
/// who rests for longer, so the pair is checked too: a key that is not the certificate's is an error.
async fn make<S: Settings>(
    settings: &S,
    old: Option<&Contents>,
    found: Found,
) -> Result<Option<Made<S>>, TlsError> {
    let mut read = Contents::of(settings.sources()).await?;
    for _ in 0..LOOKS {
        if old == Some(&read) {
            return Ok(None);
        }
        if old.is_none() || found == Found::ByBeingTold {
            break;
        }
        tokio::time::sleep(limits::CERTIFICATES_SETTLE).await;
        let again = Contents::of(settings.sources()).await?;
        if std::mem::replace(&mut read, again.clone()) == again {
            break;
        }
    }
    make_of(settings, read).await.map(Some)
}

async fn make_of<S: Settings>(settings: &S, read: Contents) -> Result<Made<S>, TlsError> {
    let (settings, of) = (settings.clone(), read.clone());
    // Roots of a system are hundreds, in files of their own.
    let made = blocking(move || settings.make(&of)).await?;
    Ok(Made { made: Arc::new(made), of: read })
}

/// How often to look again at files that go on changing.
const LOOKS: usize = 5;

impl Contents {
    async fn of(sources: Vec<Source>) -> Result<Self, TlsError> {
        if sources.iter().any(Source::is_file) {
            blocking(move || Self::read(&sources)).await
        } else {
            Self::read(&sources)
        }
    }
}

/// Runs what waits for a disk where that stops nobody.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, TlsError> + Send + 'static,
) -> Result<T, TlsError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        Err(TlsError::Unusable { what: "the configuration".to_owned(), fault: error.to_string() })
    })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use super::*;

    /// Makes a text of a file, unless it says that it is bad.
    #[derive(Clone)]
    struct Text(PathBuf);

    impl Settings for Text {
        type Made = String;

        fn sources(&self) -> Vec<Source> {
            vec![Source::file(&self.0)]
        }

        fn make(&self, contents: &Contents) -> Result<String, TlsError> {
            let text = String::from_utf8_lossy(contents.iter().next().unwrap()).into_owned();
            match &*text {
                "bad" => Err(TlsError::NoCertificate),
                "half" => Err(TlsError::Mismatch { certificate: "a".to_owned(), key: "b".to_owned() }),
                _ => Ok(text),
            }
        }
    }

    async fn current(live: &Live<Text>) -> String {
        live.current().await.unwrap().to_string()
    }

    #[tokio::test(start_paused = true)]
    async fn a_handshake_after_ten_seconds_takes_what_has_changed_and_keeps_what_it_cannot_use() {
        let path = std::env::temp_dir().join(format!("traitwire-live-{}", std::process::id()));
        let write = |text: &str| std::fs::write(&path, text).unwrap();
        let live = Live::new(Text(path.clone()));
        assert!(live.current().await.is_err(), "there is nothing yet");
        write("one");
        assert_eq!(current(&live).await, "one");
        write("two");
        tokio::time::advance(limits::CERTIFICATES_CHECK - Duration::from_millis(1)).await;
        assert_eq!(current(&live).await, "one", "nobody looks before its time");
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(current(&live).await, "two");

        write("bad");
        tokio::time::advance(limits::CERTIFICATES_CHECK).await;
        assert_eq!(current(&live).await, "two");
        assert!(live.reload().await.is_err());
        std::fs::remove_file(&path).unwrap();
        assert!(live.reload().await.is_err());
        assert_eq!(current(&live).await, "two");
        write("two");
        assert_eq!(live.reload().await.unwrap(), Reloaded::Unchanged);
        write("three");
        assert_eq!(live.reload().await.unwrap(), Reloaded::Changed);
        assert_eq!(current(&live).await, "three");
        std::fs::remove_file(path).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_writer_at_work_is_waited_for_and_others_do_not_wait() {
        let path = std::env::temp_dir().join(format!("traitwire-writer-{}", std::process::id()));
        let write = |text: &str| std::fs::write(&path, text).unwrap();
        let live = Arc::new(Live::new(Text(path.clone())));
        write("one");
        assert_eq!(current(&live).await, "one");
        write("not all of it");
        tokio::time::advance(limits::CERTIFICATES_CHECK).await;
        let finder = tokio::spawn({
            let live = Arc::clone(&live);
            async move { current(&live).await }
        });
        // The finder has read a part, and waits for it to settle.
        tokio::time::sleep(limits::CERTIFICATES_SETTLE / 2).await;
        assert_eq!(current(&live).await, "one");
        write("whole");
        assert_eq!(finder.await.unwrap(), "whole");
        std::fs::remove_file(path).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_one_waits_for_files_to_fit_and_not_for_ever() {
        let path = std::env::temp_dir().join(format!("traitwire-first-{}", std::process::id()));
        let write = |text: &str| std::fs::write(&path, text).unwrap();
        let live = Arc::new(Live::new(Text(path.clone())));
        let began = Instant::now();
        write("half");
        let error = live.current().await.unwrap_err().to_string();
        assert!(error.contains("the key of b is not the one that the certificate of a"), "{error}");
        let waited = began.elapsed();
        assert!(waited >= limits::CERTIFICATES_FIRST, "{waited:?}");
        assert!(waited <= limits::CERTIFICATES_FIRST + limits::CERTIFICATES_SETTLE * 2, "{waited:?}");
        let began = Instant::now();
        assert!(live.current().await.is_err());
        assert!(began.elapsed() < limits::CERTIFICATES_SETTLE, "the same files have been waited for");
        write("bad");
        assert!(live.current().await.is_err());
        assert!(
            began.elapsed() < limits::CERTIFICATES_SETTLE,
            "this one does not come from being half written"
        );

        let live = Arc::new(Live::new(Text(path.clone())));
        write("half");
        let first = tokio::spawn({
            let live = Arc::clone(&live);
            async move { current(&live).await }
        });
        tokio::time::sleep(limits::CERTIFICATES_FIRST / 2).await;
        assert!(!first.is_finished());
        write("whole");
        assert_eq!(first.await.unwrap(), "whole");
        assert_eq!(current(&live).await, "whole");
        std::fs::remove_file(path).unwrap();
    }
}
