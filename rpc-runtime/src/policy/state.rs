//! Owns [`State`]: what the policies of a channel remember, whatever their settings are. Decides nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock};

use crate::call::SharedDice;
use crate::limits;
use crate::observe::{Added, Observer};
use crate::policy::guards::Guards;
use crate::policy::hedge::Latency;
use crate::policy::retry::{Account, Purse};
use crate::policy::settings::Policies;

/// What the policies of a channel remember. It survives a change of their settings.
pub(crate) struct State {
    account: Arc<Account>,
    /// Those of services and methods that have a budget of their own, by their names.
    further: RwLock<BTreeMap<String, Arc<Account>>>,
    pub(super) dice: SharedDice,
    pub(crate) guards: Guards,
    methods: RwLock<BTreeMap<Arc<str>, Arc<Record>>>,
    /// Who hears of the channel.
    pub(crate) observer: Option<Arc<dyn Observer>>,
}

impl State {
    /// Of a channel to this address.
    pub(crate) fn new(
        policies: &Policies,
        seed: u64,
        address: &Arc<str>,
        observer: Option<Arc<dyn Observer>>,
    ) -> Self {
        let account = Arc::new(Account::new(policies.channel_budget()));
        let (further, dice, methods) = (RwLock::default(), SharedDice::new(seed), RwLock::default());
        let guards = Guards::new(Arc::clone(address), observer.clone());
        let state = Self { account, further, dice, guards, methods, observer };
        state.set(policies);
        state
    }

    /// The settings are these from now on.
    pub(crate) fn set(&self, policies: &Policies) {
        self.account.set(policies.channel_budget());
        self.guards.set(policies);
        let mut further = self.further.write();
        let mut known = std::mem::take(&mut *further);
        for (name, budget) in policies.further_budgets() {
            let account = known.remove(name).unwrap_or_else(|| Arc::new(Account::new(budget)));
            account.set(budget);
            further.insert(name.clone(), account);
        }
    }

    /// What pays for a call: the channel, and this service or method if it has a budget of its own.
    pub(crate) fn purse(&self, own: Option<&str>) -> Purse {
        let own = own.and_then(|name| self.further.read().get(name).cloned());
        Purse::new(Arc::clone(&self.account), own)
    }

    /// A call is sent once more.
    pub(super) fn added(&self, what: Added) {
        if let Some(observer) = &self.observer {
            observer.attempt_added(what);
        }
    }

    /// What is remembered of a method; `None` if there are too many.
    pub(super) fn record(&self, method: &str) -> Option<Arc<Record>> {
        if let Some(record) = self.methods.read().get(method) {
            return Some(Arc::clone(record));
        }
        let mut methods = self.methods.write();
        if methods.len() >= limits::METHODS && !methods.contains_key(method) {
            return None;
        }
        Some(Arc::clone(methods.entry(Arc::from(method)).or_default()))
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("account", &self.account).finish_non_exhaustive()
    }
}

/// What is remembered of one method.
#[derive(Debug)]
pub(super) struct Record(Mutex<Latency>);

impl Default for Record {
    fn default() -> Self {
        Self(Mutex::new(Latency::new()))
    }
}

impl Record {
    /// An answer took so long.
    pub(super) fn note(&self, took: Duration, now: Instant) {
        self.0.lock().note(took, now);
    }

    /// The time within which so many per cent of the answers came lately, if enough did.
    pub(super) fn percentile(&self, percent: f64, now: Instant) -> Option<Duration> {
        self.0.lock().percentile(percent, now)
    }
}
