//! Owns [`Guards`]: the breakers, limits and caches of a channel, one for each place that asks for one. Decides nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::call::Wanted;
use crate::observe::Observer;
use crate::policy::breaker::{Breaker, BreakerConfig};
#[cfg(feature = "cache")]
use crate::policy::cache::{Cache, CacheConfig, StoreConfig};
use crate::policy::limit::{Limit, LimitConfig};
use crate::policy::settings::Policies;

/// The breakers, limits and caches of a channel. A place is the channel, `""`; a service, `"Calculator."`; or a method,
/// `"Calculator.add"`: what is said there makes one, for all calls that it holds for.
///
/// When settings change, those whose settings did not stay, with all that they remember.
pub(crate) struct Guards {
    /// What breakers and limits are called by.
    address: Arc<str>,
    observer: Option<Arc<dyn Observer>>,
    breakers: Placed<Arc<BreakerConfig>, Breaker>,
    limits: Placed<Arc<LimitConfig>, Limit>,
    #[cfg(feature = "cache")]
    caches: Placed<StoreConfig, Cache>,
}

impl Guards {
    pub(super) fn new(address: Arc<str>, observer: Option<Arc<dyn Observer>>) -> Self {
        Self {
            address,
            observer,
            breakers: Placed::new(),
            limits: Placed::new(),
            #[cfg(feature = "cache")]
            caches: Placed::new(),
        }
    }

    /// The settings are these from now on.
    pub(super) fn set(&self, policies: &Policies) {
        let breakers = policies.placed().filter_map(|(place, policy)| Some((place, on(&policy.breaker)?)));
        self.breakers.set(breakers, |place, config| {
            let config = BreakerConfig::clone(config).named_by_default(|| self.name(place));
            Breaker::with_observer(config, self.observer.clone())
        });
        let limits = policies.placed().filter_map(|(place, policy)| Some((place, on(&policy.limit)?)));
        self.limits.set(limits, |place, config| {
            let config = LimitConfig::clone(config).named_by_default(|| self.name(place));
            Limit::with_observer(config, self.observer.clone())
        });
        #[cfg(feature = "cache")]
        self.set_caches(policies);
    }

    #[cfg(feature = "cache")]
    fn set_caches(&self, policies: &Policies) {
        let own = policies.placed().filter_map(|(place, policy)| {
            let store = on(&policy.cache)?.store();
            // Without memory of its own a service's or a method's answers are in the channel's.
            (place.is_empty() || store != StoreConfig::default()).then_some((place, store))
        });
        let mut own: Vec<_> = own.collect();
        let [.., everything] = policies.of("");
        if everything.is_some_and(|policy| policy.cache.is_none()) && self.caches.get("").is_some() {
            own.push((String::new(), StoreConfig::default()));
        }
        self.caches.set(own.into_iter(), |_, store| self.make_cache(*store));
    }

    #[cfg(feature = "cache")]
    fn make_cache(&self, store: StoreConfig) -> Cache {
        Cache::with_observer(CacheConfig::of_store(store), self.observer.clone())
    }

    /// What a breaker or a limit of this place is called.
    fn name(&self, place: &str) -> Arc<str> {
        match place.trim_end_matches('.') {
            "" => Arc::clone(&self.address),
            place => Arc::from(format!("{} {place}", self.address)),
        }
    }

    /// The breaker of this place, unless settings have just changed.
    pub(super) fn breaker(&self, place: &str) -> Option<Breaker> {
        self.breakers.get(place)
    }

    /// The limit of this place, unless settings have just changed.
    pub(super) fn limit(&self, place: &str) -> Option<Limit> {
        self.limits.get(place)
    }

    /// The cache of the place that is nearest to a method, if there is one.
    #[cfg(feature = "cache")]
    pub(crate) fn cache_near(&self, full_name: &str) -> Option<Cache> {
        let service = full_name.rfind('.').map_or("", |dot| &full_name[..=dot]);
        [full_name, service, ""].into_iter().find_map(|place| self.caches.get(place))
    }

    /// The cache that this place puts its answers into: its own, or the channel's, which is made when it is first needed.
    #[cfg(feature = "cache")]
    pub(super) fn cache(&self, place: &str) -> Cache {
        let make = || self.make_cache(StoreConfig::default());
        self.caches.get(place).unwrap_or_else(|| self.caches.get_or("", StoreConfig::default(), make))
    }
}

impl fmt::Debug for Guards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guards").field("address", &self.address).finish_non_exhaustive()
    }
}

/// The settings that somebody wants.
fn on<T: Clone>(wanted: &Option<Wanted<T>>) -> Option<T> {
    wanted.clone().and_then(Wanted::on)
}

/// What was made by some settings, by its place. At most as many as there are places in a channel's [`Policies`].
struct Placed<S, T>(RwLock<BTreeMap<String, (S, T)>>);

impl<S: PartialEq, T: Clone> Placed<S, T> {
    fn new() -> Self {
        Self(RwLock::default())
    }

    fn get(&self, place: &str) -> Option<T> {
        self.0.read().get(place).map(|(_, made)| made.clone())
    }

    #[cfg(feature = "cache")]
    fn get_or(&self, place: &str, settings: S, make: impl FnOnce() -> T) -> T {
        self.0.write().entry(place.to_owned()).or_insert_with(|| (settings, make())).1.clone()
    }

    /// Makes what is new or has other settings, keeps the rest, and drops what nobody asks for any more.
    fn set(&self, wanted: impl Iterator<Item = (String, S)>, make: impl Fn(&str, &S) -> T) {
        let mut placed = self.0.write();
        let mut known = std::mem::take(&mut *placed);
        for (place, settings) in wanted {
            let kept = known.remove(&place).filter(|(earlier, _)| *earlier == settings);
            let made = kept.map_or_else(|| make(&place, &settings), |(_, made)| made);
            placed.insert(place, (settings, made));
        }
    }
}
