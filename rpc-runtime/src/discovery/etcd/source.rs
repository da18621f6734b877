//! Owns [`EtcdSource`]: the endpoints below a prefix, followed. Does not write to etcd.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use futures::FutureExt;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::discovery::etcd::gateway::{EtcdError, Event, Gateway, Header, KeyValue, Number, Watch, Watched};
use crate::discovery::{Discovery, DiscoveryError, Endpoint, Feed, Updates};
use crate::limits;
use crate::policy::now;

/// What is below a prefix.
pub(super) struct EtcdSource {
    name: String,
    prefix: Arc<str>,
    gateway: Arc<Gateway>,
}

impl EtcdSource {
    pub(super) fn new(name: String, path: String, gateway: Gateway) -> Self {
        Self { name, prefix: format!("{path}/").into(), gateway: Arc::new(gateway) }
    }
}

impl Discovery for EtcdSource {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn watch(&self) -> Updates {
        let (name, prefix, gateway) =
            (self.name.clone(), Arc::clone(&self.prefix), Arc::clone(&self.gateway));
        Feed::of(async move |mut feed| {
            let mut follower = Follower { name, prefix, gateway, view: View::default() };
            loop {
                let Err(error) = follower.follow(&mut feed).await;
                if error.is_unauthenticated() {
                    follower.gateway.forget_token();
                }
                let text = format!("{}: {error}", follower.name);
                feed.fail(DiscoveryError::new(text).with_source(error)).await;
            }
        })
    }
}

struct Follower {
    name: String,
    prefix: Arc<str>,
    gateway: Arc<Gateway>,
    view: View,
}

/// What a watch comes to.
enum Next {
    /// It goes on.
    On,
    /// What is known does not follow from what was: all is read again.
    Resync,
}

impl Follower {
    /// Reads all, then what changes, for as long as that goes well.
    ///
    /// ```text
    ///   all ──the list, at revision r──▶ watching from r ──events──▶ watching
    ///    ▲                                 │ r was compacted away, etcd is another one, or is behind r
    ///    └─────────────────────────────────┘
    /// ```
    ///
    /// After a failure the watch goes on from the last revision that was seen.
    async fn follow(&mut self, feed: &mut Feed) -> Result<Infallible, EtcdError> {
        let mut is_read = false;
        loop {
            if !self.view.is_whole {
                self.read_all().await?;
                feed.say(self.view.list()).await;
                is_read = true;
            }
            let (prefix, end) = (self.prefix.as_bytes(), end_of(&self.prefix));
            // Not from the next revision: if that is where etcd has compacted to, it goes on without a word from there, and what
            // was deleted at that revision is lost (etcd-io/etcd#18089). Hearing the last one twice does no harm.
            let mut watch = self.gateway.watch(prefix, &end, self.view.revision.0.max(1)).await?;
            match self.begin(&mut watch).await? {
                Next::Resync => continue,
                // It is well again, and perhaps nothing has changed meanwhile.
                Next::On if !is_read => feed.say(self.view.list()).await,
                Next::On => {}
            }
            self.read(&mut watch, feed).await?;
        }
    }

    /// All of it, page by page, as it is at one revision.
    async fn read_all(&mut self) -> Result<(), EtcdError> {
        let end = end_of(&self.prefix);
        let (mut key, mut header, mut all) = (self.prefix.as_bytes().to_vec(), None::<Header>, Vec::new());
        loop {
            let at = header.map_or(Number(0), |header| header.revision);
            let page = self.gateway.range(&key, &end, at).await?;
            header.get_or_insert(page.header);
            let last = page.kvs.last().map(|kv| kv.key.0.clone());
            all.extend(page.kvs);
            match last {
                Some(last) if page.more && all.len() <= limits::ENDPOINTS => {
                    key = [&last[..], b"\0"].concat()
                }
                _ => break,
            }
        }
        self.view.replace(&self.name, &self.prefix, header.unwrap_or_default(), all, now());
        self.view.bound()
    }

    /// What the watch says first: that it is there, and of which etcd.
    async fn begin(&mut self, watch: &mut Watch) -> Result<Next, EtcdError> {
        let first = tokio::time::timeout(limits::ETCD_REQUEST, watch.next()).await;
        let first = first.map_err(|_| self.silent())??;
        if self.view.is_of_another(first.header) {
            // Its data are gone, or it is another cluster: a watch from our revision on would wait for ever.
            self.view.is_whole = false;
            return Ok(Next::Resync);
        }
        self.take(first)
    }

    /// Reads the watch until all has to be read again.
    async fn read(&mut self, watch: &mut Watch, feed: &mut Feed) -> Result<(), EtcdError> {
        let mut ticks = ticks();
        loop {
            let mut next = tokio::select! {
                biased;
                watched = watch.next() => self.take(watched?)?,
                _ = ticks.tick() => self.look().await?,
            };
            // What has come together counts together.
            while let Next::On = next
                && let Some(watched) = watch.next().now_or_never()
            {
                next = self.take(watched?)?;
            }
            if let Next::Resync = next {
                return Ok(());
            }
            if std::mem::take(&mut self.view.is_new) {
                feed.say(self.view.list()).await;
            }
        }
    }

    /// A stream that says nothing may be of an etcd that is gone without a word: it is asked over another connection.
    async fn look(&mut self) -> Result<Next, EtcdError> {
        let header = self.gateway.ping(self.prefix.as_bytes()).await?;
        self.view.forget(now());
        if self.view.is_of_another(header) {
            self.view.is_whole = false;
            return Ok(Next::Resync);
        }
        Ok(Next::On)
    }

    fn take(&mut self, watched: Watched) -> Result<Next, EtcdError> {
        if watched.compact_revision.0 > 0 {
            self.view.is_whole = false;
            return Ok(Next::Resync);
        }
        if watched.canceled {
            // Perhaps for its token, which an etcd that was started again does not know: the words for that differ by version.
            self.gateway.forget_token();
            let reason = watched.cancel_reason;
            return Err(EtcdError::new(format!("etcd has ended the watch: {reason}")));
        }
        self.view.apply(&self.name, &self.prefix, watched.events);
        self.view.bound()?;
        if !watched.created {
            // The revision of the first message is etcd's own, which may be beyond events that are still to come.
            self.view.revision = self.view.revision.max(watched.header.revision);
        }
        Ok(Next::On)
    }

    fn silent(&self) -> EtcdError {
        self.gateway.turn();
        EtcdError::new(format!("the watch says nothing within {:?}", limits::ETCD_REQUEST))
    }
}

fn ticks() -> Interval {
    let mut ticks = interval(limits::ETCD_LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.reset();
    ticks
}

/// What is known of etcd: its keys below the prefix, and where they are from.
#[derive(Default)]
struct View {
    cluster: Number,
    revision: Number,
    /// It follows from the revision; otherwise all is to be read.
    is_whole: bool,
    is_new: bool,
    /// By key, so that two keys of the same endpoint are two until both are gone.
    endpoints: BTreeMap<String, Endpoint>,
    /// What was known of an etcd that has lost its memory, until then: servers need time to register again, and until they have
    /// nobody is to be forgotten.
    ghosts: BTreeMap<String, Endpoint>,
    ghosts_until: Option<Instant>,
}

impl View {
    fn list(&self) -> Vec<Endpoint> {
        let ghosts = self.ghosts.iter().filter(|(key, _)| !self.endpoints.contains_key(*key));
        self.endpoints.values().chain(ghosts.map(|(_, ghost)| ghost)).cloned().collect()
    }

    /// True if what is known cannot be of this etcd.
    fn is_of_another(&self, header: Header) -> bool {
        header.cluster_id != self.cluster || header.revision < self.revision
    }

    fn replace(&mut self, name: &str, prefix: &str, header: Header, all: Vec<KeyValue>, now: Instant) {
        let before = std::mem::take(&mut self.endpoints);
        if self.cluster != Number(0) && self.is_of_another(header) {
            tracing::warn!(source = name, "etcd has lost what it knew: what was known stays for a while");
            // Those of a loss before this one are waited for as well.
            self.ghosts.extend(before);
            self.ghosts_until = Some(now + limits::ETCD_GRACE);
        }
        for kv in all {
            self.set(name, prefix, kv);
        }
        (self.cluster, self.revision, self.is_whole) = (header.cluster_id, header.revision, true);
    }

    fn apply(&mut self, name: &str, prefix: &str, events: Vec<Event>) {
        for event in events {
            self.is_new = true;
            if event.kind == "DELETE" {
                let key = String::from_utf8_lossy(&event.kv.key.0).into_owned();
                self.endpoints.remove(&key);
                self.ghosts.remove(&key);
            } else {
                self.set(name, prefix, event.kv);
            }
        }
    }

    /// Forgets more than there can be, so that whoever writes to etcd cannot fill the memory here. What was said before stays in
    /// force.
    fn bound(&mut self) -> Result<(), EtcdError> {
        let (count, most) = (self.endpoints.len().max(self.ghosts.len()), limits::ENDPOINTS);
        if count > most {
            *self = Self::default();
            return Err(EtcdError::new(format!("etcd has {count} endpoints there, more than {most}")));
        }
        Ok(())
    }

    /// Takes an entry in. What cannot be read changes nothing: the word that was good is better than none.
    fn set(&mut self, name: &str, prefix: &str, kv: KeyValue) {
        let key = String::from_utf8_lossy(&kv.key.0).into_owned();
        let text = std::str::from_utf8(&kv.value.0).ok();
        match text.map(str::parse::<Endpoint>) {
            Some(Ok(endpoint)) if key.starts_with(prefix) => drop(self.endpoints.insert(key, endpoint)),
            other => {
                let why = match other {
                    Some(Err(error)) => error.to_string(),
                    _ => "it is no text".to_owned(),
                };
                tracing::warn!(source = name, key, why, "a value in etcd is no endpoint: it is left out");
            }
        }
    }

    /// Forgets those who did not come back in time.
    fn forget(&mut self, now: Instant) {
        if self.ghosts_until.is_some_and(|until| until <= now) {
            self.ghosts_until = None;
            self.is_new = !std::mem::take(&mut self.ghosts).is_empty();
        }
    }
}

/// The first key that does not begin with this.
fn end_of(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    // The prefix ends with a slash, so that there always is a next byte.
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::etcd::gateway::Base64;

    fn kv(key: &str, value: &str) -> KeyValue {
        KeyValue { key: Base64(key.into()), value: Base64(value.into()), ..KeyValue::default() }
    }

    fn header(cluster: u64, revision: u64) -> Header {
        Header { cluster_id: Number(cluster), revision: Number(revision) }
    }

    fn addresses(view: &View) -> String {
        let list = view.list();
        let ports = list.iter().map(|endpoint| endpoint.address().rsplit(':').next().unwrap().to_owned());
        ports.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_cannot_be_read_changes_nothing() {
        let mut view = View::default();
        view.replace("etcd", "/p/", header(1, 5), vec![kv("/p/a", "h:1"), kv("/p/b", "\u{1}")], now());
        view.apply("etcd", "/p/", vec![Event { kv: kv("/p/a", "garbage"), ..Event::default() }]);
        assert_eq!(addresses(&view), "1");
        let delete = Event { kind: "DELETE".to_owned(), kv: kv("/p/a", "") };
        view.apply("etcd", "/p/", vec![delete, Event { kv: kv("/p/c", "h:3"), ..Event::default() }]);
        assert_eq!(addresses(&view), "3");
    }

    #[test]
    fn an_etcd_that_has_lost_its_memory_makes_nobody_forgotten_for_a_while() {
        let (mut view, start) = (View::default(), now());
        view.replace("etcd", "/p/", header(1, 9), vec![kv("/p/a", "h:1"), kv("/p/b", "h:2")], start);
        assert!(!view.is_of_another(header(1, 9)) && !view.is_of_another(header(1, 10)));
        assert!(view.is_of_another(header(1, 8)) && view.is_of_another(header(2, 10)));
        view.replace("etcd", "/p/", header(2, 2), vec![kv("/p/b", "h:3")], start);
        assert_eq!(addresses(&view), "3 1");
        view.forget(start + limits::ETCD_GRACE / 2);
        assert_eq!(addresses(&view), "3 1");
        view.forget(start + limits::ETCD_GRACE);
        assert_eq!((addresses(&view).as_str(), view.is_new), ("3", true));
        // A second loss before the first is over forgets nobody either.
        view.replace("etcd", "/p/", header(3, 2), vec![], start);
        view.replace("etcd", "/p/", header(4, 2), vec![kv("/p/c", "h:5")], start);
        assert_eq!(addresses(&view), "5 3");
        view.forget(start + limits::ETCD_GRACE);
        view.replace("etcd", "/p/", header(2, 7), vec![], start);
        view.forget(start + limits::ETCD_GRACE);
        // Only a loss makes ghosts: what a compacted etcd has no more is gone.
        view.replace("etcd", "/p/", header(2, 8), vec![kv("/p/d", "h:4")], start);
        assert_eq!(addresses(&view), "4");
    }

    #[test]
    fn more_than_there_can_be_is_forgotten() {
        let mut view = View::default();
        let many = (0..=limits::ENDPOINTS).map(|at| kv(&format!("/p/{at}"), "h:1")).collect();
        view.replace("etcd", "/p/", header(1, 5), many, now());
        assert!(view.bound().unwrap_err().to_string().contains("65537 endpoints there, more than 65536"));
        assert!(view.endpoints.is_empty() && !view.is_whole);
    }
}
