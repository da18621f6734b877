//! Owns [`Budget`], what a channel may add to its calls, [`Account`], what it has added, and [`Purse`], what pays for one
//! call. Does not decide which call gets it.

use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

use super::tokens::Tokens;
use super::window::{Terms, Window};
use crate::limits;

/// How many retries and hedges, together, a channel may add to the calls that policies look after.
///
/// It is what keeps retries from making an outage worse: without one, three attempts at each of three hops are
/// twenty-seven times the load, just when there is too much of it.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Budget {
    /// Within any ten seconds at most `ratio × calls + clamp(0.1 × calls a second, floor_min, floor_max) × 10`; by default
    /// 0.2, 1 and 10. (Finagle's `RetryBudget`, but over every window, and with a floor that grows with the load.)
    Window {
        /// Retries for each call.
        ratio: f64,
        /// The least beside them, a second.
        floor_min: f64,
        /// The most beside them, a second.
        floor_max: f64,
    },
    /// A retry as long as more than half of `tokens` are left: a failure takes one, a success brings `ratio` of one back.
    /// (gRFC A6, where 10 and 0.1 are usual.)
    Tokens {
        /// The most, and what a channel begins with.
        tokens: f64,
        /// What a success brings.
        ratio: f64,
    },
    /// As many as are wanted: for tests, and for those who know what protects the callee.
    Unlimited,
}

impl Budget {
    /// The default, which is that of the promise.
    pub const fn new() -> Self {
        Self::Window {
            ratio: limits::BUDGET_RATIO,
            floor_min: limits::BUDGET_FLOOR_MIN,
            floor_max: limits::BUDGET_FLOOR_MAX,
        }
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::new()
    }
}

// ===== impl Account =====

/// What a channel has added to its calls. It outlives changes of its [`Budget`]: what has been spent stays spent.
#[derive(Debug)]
pub(crate) struct Account(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    budget: Budget,
    window: Window,
    tokens: Tokens,
}

impl Account {
    pub(crate) fn new(budget: Budget) -> Self {
        let (window, tokens) = (Window::new(), Tokens::new(full(budget)));
        Self(Mutex::new(Inner { budget, window, tokens }))
    }

    /// From now on this is what there is.
    pub(crate) fn set(&self, budget: Budget) {
        let mut inner = self.0.lock();
        if inner.budget != budget {
            inner.budget = budget;
            inner.tokens = Tokens::new(full(budget));
        }
    }

    /// A call was made.
    fn call(&self, now: Instant) {
        let mut inner = self.0.lock();
        // Counted whatever the budget is, so that one that comes later knows of them.
        let terms = inner.terms();
        inner.window.call(&terms, now);
    }

    /// A call has got its answer.
    fn succeeded(&self) {
        let mut inner = self.0.lock();
        if let Budget::Tokens { tokens, ratio } = inner.budget {
            inner.tokens.succeeded(tokens, ratio);
        }
    }

    /// An attempt has failed in a way that another one may mend.
    fn failed(&self) {
        self.0.lock().tokens.failed();
    }

    /// Whether there is one more attempt to be taken, if nobody is quicker.
    fn has(&self, now: Instant) -> bool {
        let mut inner = self.0.lock();
        let terms = inner.terms();
        match inner.budget {
            Budget::Window { .. } => inner.window.has(&terms, now),
            Budget::Tokens { tokens, .. } => inner.tokens.allow(tokens),
            Budget::Unlimited => true,
        }
    }

    /// Takes one more attempt, if there is one. It is to be made at once: the budget is about when attempts go out.
    fn spend(&self, now: Instant) -> bool {
        let mut inner = self.0.lock();
        let terms = inner.terms();
        match inner.budget {
            Budget::Window { .. } => inner.window.spend(&terms, now),
            Budget::Tokens { tokens, .. } => inner.tokens.allow(tokens),
            Budget::Unlimited => true,
        }
    }
}

// ===== impl Purse =====

/// What pays for one call: the channel's account, and the one of its service or method if that has a budget of its own.
#[derive(Clone, Debug)]
pub(crate) struct Purse {
    channel: Arc<Account>,
    own: Option<Arc<Account>>,
}

impl Purse {
    pub(crate) const fn new(channel: Arc<Account>, own: Option<Arc<Account>>) -> Self {
        Self { channel, own }
    }

    fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.own.iter().chain([&self.channel]).map(|account| &**account)
    }

    /// The call was made.
    pub(crate) fn call(&self, now: Instant) {
        self.accounts().for_each(|account| account.call(now));
    }

    /// It has got its answer.
    pub(crate) fn succeeded(&self) {
        self.accounts().for_each(Account::succeeded);
    }

    /// An attempt has failed in a way that another one may mend.
    pub(crate) fn failed(&self) {
        self.accounts().for_each(Account::failed);
    }

    /// Whether there is one more attempt to be taken, if nobody is quicker.
    pub(crate) fn has(&self, now: Instant) -> bool {
        self.accounts().all(|account| account.has(now))
    }

    /// Takes one more attempt, if there is one. If only its own account has one, that is poorer by it all the same: both
    /// bounds hold.
    pub(crate) fn spend(&self, now: Instant) -> bool {
        self.has(now) && self.accounts().all(|account| account.spend(now))
    }
}

impl Inner {
    const fn terms(&self) -> Terms {
        match self.budget {
            Budget::Window { ratio, floor_min, floor_max } => Terms { ratio, floor_min, floor_max },
            Budget::Tokens { .. } | Budget::Unlimited => {
                Terms { ratio: limits::BUDGET_RATIO, floor_min: 0.0, floor_max: 0.0 }
            }
        }
    }
}

const fn full(budget: Budget) -> f64 {
    match budget {
        Budget::Tokens { tokens, .. } => tokens,
        Budget::Window { .. } | Budget::Unlimited => 0.0,
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test may ask for any instant to start from")]
mod tests {
    use super::*;

    #[test]
    fn what_is_spent_stays_spent_when_the_budget_changes() {
        let now = Instant::now();
        let account = Account::new(Budget::new());
        assert_eq!((0..50).filter(|_| account.spend(now)).count(), 10);
        account.set(Budget::Window { ratio: 0.2, floor_min: 1.5, floor_max: 10.0 });
        assert_eq!((0..50).filter(|_| account.spend(now)).count(), 5);
        account.set(Budget::Unlimited);
        assert!(account.spend(now));
        account.set(Budget::Tokens { tokens: 4.0, ratio: 0.5 });
        account.failed();
        assert!(account.spend(now));
        account.failed();
        assert!(!account.spend(now));
        account.succeeded();
        assert!(account.spend(now));
    }
}
