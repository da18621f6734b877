//! Owns [`Directory`]: the task that reads a source, and what is in force of what it says. What counts is decided in `holding`.

use std::fmt;
use std::future::pending;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::pending as pending_stream;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::sleep_until;

use crate::discovery::holding::Holding;
use crate::discovery::snapshot::Snapshot;
use crate::discovery::{Discovery, DiscoveryError, Endpoint};
use crate::limits;
use crate::policy::now;

/// How a [`Directory`] takes what its source says.
#[derive(Clone, Debug)]
#[must_use]
pub struct DirectoryConfig {
    debounce: Duration,
    empty_after: Option<Duration>,
    cache: Option<PathBuf>,
}

impl Default for DirectoryConfig {
    fn default() -> Self {
        Self { debounce: limits::DEBOUNCE, empty_after: None, cache: None }
    }
}

impl DirectoryConfig {
    /// How long a change waits for further ones, so that those which come together are one; 50 ms, and ten times that in all.
    pub const fn debounce(mut self, debounce: Duration) -> Self {
        self.debounce = debounce;
        self
    }

    /// After how long a source is believed that there is no server any more. Never by default: a source that has lost what it
    /// knew says the same, and calls to servers that are gone fail either way.
    pub const fn empty_after(mut self, after: Duration) -> Self {
        self.empty_after = Some(after);
        self
    }

    /// A file in which the list is kept, for starting when the source is away: it is read when the source has failed or said
    /// nothing for a second, and replaced as a whole, at most once a second. Each directory needs one of its own.
    pub fn cache(mut self, file: impl Into<PathBuf>) -> Self {
        self.cache = Some(file.into());
        self
    }
}

/// What is known of a service's servers.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Known {
    /// In the order of their addresses, each of which is there once.
    pub endpoints: Arc<[Endpoint]>,
    /// When the source has last said a list that was believed; `None` if it never has, and what is known is of the last run.
    pub heard: Option<Instant>,
    /// What keeps the source from saying a list, or this list from being believed: what was known before is in force.
    pub problem: Option<Arc<DiscoveryError>>,
}

impl Known {
    /// How long ago the source has last said a list that was believed.
    pub fn age(&self) -> Option<Duration> {
        self.heard.map(|heard| now().saturating_duration_since(heard))
    }
}

/// A source that is read, and what is in force of what it says. The reading ends when this is dropped.
pub struct Directory {
    name: String,
    known: watch::Receiver<Known>,
    reading: AbortHandle,
}

impl Directory {
    /// Begins to read a source.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, as [`tokio::spawn`] does.
    pub fn start(source: Arc<dyn Discovery>, config: DirectoryConfig) -> Self {
        let nothing = Known { endpoints: Arc::new([]), heard: None, problem: None };
        let (sender, known) = watch::channel(nothing);
        let name = source.name();
        let reading = tokio::spawn(Reading::new(name.clone(), config, sender).run(source)).abort_handle();
        Self { name, known, reading }
    }

    /// What it reads, `dns://calc.internal:7000`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is known, and a word on each change of the endpoints or of the problem.
    pub fn subscribe(&self) -> watch::Receiver<Known> {
        self.known.clone()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Directory({})", self.name)
    }
}

/// The task of a directory.
struct Reading {
    name: String,
    holding: Holding,
    known: watch::Sender<Known>,
    heard: Option<Instant>,
    cache: Option<Snapshot>,
    /// When the file is read if the source has said nothing by then.
    cold_start: Option<Instant>,
    /// When the list in force is written to the file, if it is not there yet.
    save_due: Option<Instant>,
    saved: Option<Instant>,
}

impl Reading {
    fn new(name: String, config: DirectoryConfig, known: watch::Sender<Known>) -> Self {
        let holding = Holding::new(config.debounce, config.empty_after);
        let cache = config.cache.map(Snapshot::new);
        let cold_start = cache.is_some().then(|| now() + limits::COLD_START);
        Self { name, holding, known, heard: None, cache, cold_start, save_due: None, saved: None }
    }

    async fn run(mut self, source: Arc<dyn Discovery>) {
        let mut updates = source.watch().chain(pending_stream());
        loop {
            let due = [self.holding.due(), self.cold_start, self.save_due].into_iter().flatten().min();
            let update = tokio::select! {
                biased;
                update = updates.next() => update,
                () = until(due) => None,
            };
            match update {
                Some(Ok(endpoints)) => self.heard(endpoints),
                Some(Err(error)) => self.failed(error).await,
                None => {}
            }
            self.when_due().await;
        }
    }

    fn heard(&mut self, endpoints: Vec<Endpoint>) {
        self.cold_start = None;
        let now = now();
        match self.holding.heard(endpoints, now) {
            Ok(()) => {
                self.heard = Some(now);
                // At once, if it counts at once: nobody is to see that a list was heard, and not the list.
                self.put_in_force(now);
                self.tell(None);
            }
            Err(error) => self.tell(Some(error)),
        }
    }

    async fn failed(&mut self, error: DiscoveryError) {
        tracing::debug!(source = %self.name, %error, "a source of endpoints has failed");
        self.start_cold().await;
        self.tell(Some(error));
    }

    /// What has waited long enough counts from now on; says whether anything does.
    fn put_in_force(&mut self, now: Instant) -> bool {
        let is_new = self.holding.take(now).is_some();
        if is_new {
            self.save_due = Some(self.saved.map_or(now, |saved| saved + limits::COLD_START));
        }
        is_new
    }

    /// What time has made due.
    async fn when_due(&mut self) {
        let now = now();
        if self.put_in_force(now) {
            let problem = self.known.borrow().problem.as_deref().cloned();
            self.tell(problem);
        }
        if self.cold_start.is_some_and(|due| due <= now) {
            let waited = limits::COLD_START;
            self.start_cold().await;
            self.tell(Some(DiscoveryError::new(format!("{}: nothing said within {waited:?}", self.name))));
        }
        if self.save_due.is_some_and(|due| due <= now) {
            self.save(now).await;
        }
    }

    /// Says what is in force, if that is new.
    fn tell(&self, problem: Option<DiscoveryError>) {
        let endpoints = self.holding.known();
        self.known.send_if_modified(|known| {
            let told = |problem: Option<&DiscoveryError>| problem.map(ToString::to_string);
            let is_new = !Arc::ptr_eq(&known.endpoints, endpoints)
                || told(known.problem.as_deref()) != told(problem.as_ref());
            known.heard = self.heard;
            if is_new {
                known.endpoints = Arc::clone(endpoints);
                known.problem = problem.map(Arc::new);
            }
            is_new
        });
    }

    /// Takes what was known when the file was written.
    async fn start_cold(&mut self) {
        let (Some(cache), Some(_)) = (&self.cache, self.cold_start.take()) else { return };
        let file = cache.path().display();
        match cache.read(limits::COLD_START_BYTES).await {
            Ok(Some(bytes)) => match self.read_list(&bytes) {
                Ok(endpoints) => self.holding.assume(endpoints),
                Err(error) => tracing::warn!(%file, %error, "a list of endpoints on disk is of no use"),
            },
            Ok(None) => {}
            Err(error) => tracing::warn!(%file, %error, "a list of endpoints on disk cannot be read"),
        }
    }

    async fn save(&mut self, now: Instant) {
        (self.save_due, self.saved) = (None, Some(now));
        let Some(cache) = &self.cache else { return };
        let mut text = self.headline();
        for endpoint in &**self.holding.known() {
            text += &format!("{endpoint}\n");
        }
        let (bytes, most) = (text.len() as u64, limits::COLD_START_BYTES);
        if bytes > most {
            let file = cache.path().display();
            tracing::warn!(%file, bytes, most, "a list of endpoints is too long to be kept on disk: the one before stays");
        } else if let Err(error) = cache.write(text.into_bytes()).await {
            tracing::warn!(file = %cache.path().display(), %error, "a list of endpoints cannot be kept on disk");
        }
    }

    /// The first line of the file. A list of another source is of no use: its servers are of something else.
    fn headline(&self) -> String {
        format!("# endpoints of {}\n", self.name.escape_debug())
    }

    fn read_list(&self, bytes: &[u8]) -> Result<Vec<Endpoint>, DiscoveryError> {
        let text = std::str::from_utf8(bytes)
            .map_err(|error| DiscoveryError::new("it is no text").with_source(error))?;
        let Some(lines) = text.strip_prefix(&self.headline()) else {
            return Err(DiscoveryError::new(format!(
                "it does not begin with `{}`",
                self.headline().trim_end()
            )));
        };
        lines.lines().map(str::parse).collect()
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due.into()).await,
        None => pending().await,
    }
}

#[cfg(test)]
mod tests;
