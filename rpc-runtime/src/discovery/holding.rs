//! Owns [`Holding`]: what is in force of what a source says, and when a change of it counts. Pure: time is an argument.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::discovery::{DiscoveryError, Endpoint};
use crate::limits;

/// The list in force, and the one that is about to be.
///
/// ```text
///   nothing ──a list──▶ in force ──another──▶ in force, and one that waits
///                          ▲                     │ none came for `debounce`, or the first that waits has waited
///                          └─────────────────────┘ for `limits::DEBOUNCES` times that
/// ```
///
/// The first list counts at once. An empty one counts after `empty_after`, or never, when there was one before it: a source
/// that has lost what it knew looks just like one whose servers are all gone, and calls to servers that are gone fail either way.
#[derive(Debug)]
pub(super) struct Holding {
    debounce: Duration,
    empty_after: Option<Duration>,
    /// In the order of the addresses, each of which is there once.
    known: Arc<[Endpoint]>,
    waiting: Option<Waiting>,
    /// Since when the source says that there is none.
    empty_since: Option<Instant>,
}

#[derive(Debug)]
struct Waiting {
    endpoints: Vec<Endpoint>,
    since: Instant,
    due: Instant,
}

impl Holding {
    pub(super) fn new(debounce: Duration, empty_after: Option<Duration>) -> Self {
        Self { debounce, empty_after, known: Arc::new([]), waiting: None, empty_since: None }
    }

    /// What is in force.
    pub(super) fn known(&self) -> &Arc<[Endpoint]> {
        &self.known
    }

    /// This holds until the source says something: it was known before.
    pub(super) fn assume(&mut self, endpoints: Vec<Endpoint>) {
        self.known = in_order(endpoints).into();
    }

    /// The source has said this list.
    ///
    /// # Errors
    ///
    /// When it is not believed, with the reason.
    pub(super) fn heard(&mut self, endpoints: Vec<Endpoint>, now: Instant) -> Result<(), DiscoveryError> {
        if endpoints.len() > limits::ENDPOINTS {
            let (most, count) = (limits::ENDPOINTS, endpoints.len());
            return Err(DiscoveryError::new(format!(
                "it has {count} endpoints, more than {most}: what was known before stays in force"
            )));
        }
        if endpoints.is_empty() {
            return self.heard_of_none(now);
        }
        self.empty_since = None;
        let endpoints = in_order(endpoints);
        if endpoints == *self.known {
            // A change that was taken back, if there was one.
            self.waiting = None;
            return Ok(());
        }
        let since = self.waiting.take().map_or(now, |waiting| waiting.since);
        let latest = since + self.debounce * limits::DEBOUNCES;
        let due = if self.known.is_empty() { now } else { latest.min(now + self.debounce) };
        self.waiting = Some(Waiting { endpoints, since, due });
        Ok(())
    }

    fn heard_of_none(&mut self, now: Instant) -> Result<(), DiscoveryError> {
        self.waiting = None;
        if self.known.is_empty() {
            return Err(DiscoveryError::new("it knows no endpoint"));
        }
        let since = *self.empty_since.get_or_insert(now);
        let until = match self.empty_after {
            Some(after) => {
                self.waiting = Some(Waiting { endpoints: Vec::new(), since, due: since + after });
                format!("for {after:?} (`empty_after`)")
            }
            None => "(`empty_after`)".to_owned(),
        };
        let count = self.known.len();
        let text =
            format!("it says that there is no endpoint: the {count} known before stay in force {until}");
        Err(DiscoveryError::new(text))
    }

    /// When what waits counts.
    pub(super) fn due(&self) -> Option<Instant> {
        self.waiting.as_ref().map(|waiting| waiting.due)
    }

    /// What counts from now on, if something new does.
    pub(super) fn take(&mut self, now: Instant) -> Option<Arc<[Endpoint]>> {
        let waiting = self.waiting.take_if(|waiting| waiting.due <= now)?;
        self.known = waiting.endpoints.into();
        Some(Arc::clone(&self.known))
    }
}

/// The order of a list means nothing. Of two endpoints with the same address the first one counts.
fn in_order(mut endpoints: Vec<Endpoint>) -> Vec<Endpoint> {
    endpoints.sort_by(|a, b| a.address().cmp(b.address()));
    endpoints.dedup_by(|a, b| a.address() == b.address());
    endpoints
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::now;

    const DEBOUNCE: Duration = Duration::from_millis(50);

    fn list(ports: impl IntoIterator<Item = u16>) -> Vec<Endpoint> {
        ports.into_iter().map(|port| Endpoint::new(&format!("a:{port}")).unwrap()).collect()
    }

    #[test]
    fn the_first_list_counts_at_once_and_later_ones_when_they_have_settled() {
        let (mut holding, start) = (Holding::new(DEBOUNCE, None), now());
        let at = |ms| start + Duration::from_millis(ms);
        holding.heard(list([2, 1, 2]), start).unwrap();
        assert_eq!(*holding.take(start).unwrap(), *list([1, 2]));
        holding.heard(list([1]), at(0)).unwrap();
        holding.heard(list([1, 3]), at(40)).unwrap();
        assert_eq!((holding.due(), holding.take(at(89))), (Some(at(90)), None));
        assert_eq!(*holding.take(at(90)).unwrap(), *list([1, 3]));
        // One that never settles counts after ten times as long.
        let mut taken = Vec::new();
        for ms in (100..=700).step_by(10) {
            holding.heard(list([ms as u16]), at(ms)).unwrap();
            taken.extend(holding.take(at(ms)).map(|_| ms));
        }
        assert_eq!(taken, [600]);
        // And one that is taken back never.
        let known = holding.known().to_vec();
        holding.heard(list([1]), at(800)).unwrap();
        holding.heard(known, at(810)).unwrap();
        assert_eq!((holding.due(), holding.take(at(9_000))), (None, None));
    }

    #[test]
    fn none_is_not_believed_unless_there_was_none_before() {
        let (start, after) = (now(), Duration::from_secs(60));
        let mut never = Holding::new(DEBOUNCE, None);
        assert_eq!(never.heard(vec![], start).unwrap_err().to_string(), "it knows no endpoint");
        never.heard(list([1]), start).unwrap();
        never.take(start).unwrap();
        // A change that waits is gone with it: the list in between was of a source that was losing its mind.
        never.heard(list([1, 2]), start).unwrap();
        let error = never.heard(vec![], start).unwrap_err().to_string();
        assert!(error.contains("the 1 known before stay in force"), "{error}");
        assert!(never.take(start + after * 100).is_none() && **never.known() == *list([1]));

        let mut later = Holding::new(DEBOUNCE, Some(after));
        later.assume(list([1]));
        later.heard(vec![], start).unwrap_err();
        later.heard(vec![], start + after / 2).unwrap_err();
        assert!(later.take(start + after - DEBOUNCE).is_none());
        assert!(later.take(start + after).unwrap().is_empty());
    }

    #[test]
    fn more_than_can_be_meant_is_not_believed() {
        let mut holding = Holding::new(DEBOUNCE, None);
        let many = vec![Endpoint::new("a:1").unwrap(); limits::ENDPOINTS + 1];
        assert!(
            holding.heard(many, now()).unwrap_err().to_string().contains("65537 endpoints, more than 65536")
        );
        assert!(holding.due().is_none());
    }
}
