//! Owns [`Quotas`] and [`QuotaHandler`]: the gates of callers around a handler. Decides nothing.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;

use crate::call::{Code, Delivery, Handler, HandlerFuture, Identity, Request, RpcError, roll};
use crate::limits;
use crate::policy::access::{RuleError, Who};
use crate::policy::clock::now;
use crate::policy::quota::Quota;
use crate::policy::quota::table::{Over, Seat, Table};

/// A layer that keeps callers within their quotas: cheap to clone, and one for all handlers that it is [around](Self::around).
///
/// A caller is who it has [proved](Request::identity) to be; those who have proved nothing count together for each address. A call
/// beyond a quota is refused before its arguments are decoded: `resource_exhausted`, `Refused`, with when it may come again, and
/// counted as `overload`. It is not sent to another server by itself, where the quota would be used twice.
///
/// It knows 4,096 callers with something under way; further ones share what one may have.
#[derive(Clone)]
pub struct Quotas {
    inner: Arc<Inner>,
}

struct Inner {
    quota: Quota,
    exceptions: Vec<(Vec<Who>, Quota)>,
    table: Mutex<Table>,
    /// Nobody outside can choose a name whose number is another one's.
    salt: u64,
    refused: AtomicU64,
}

/// What [`Quotas`] knew at one moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct QuotaSnapshot {
    /// How many callers it keeps in mind: those with calls at work, and those whose rate has not made up for what was taken.
    pub callers: usize,
    /// How many calls it has refused.
    pub refused: u64,
}

impl Quotas {
    /// As much as this for each caller.
    pub fn new(quota: Quota) -> Self {
        Self::with(quota, Vec::new())
    }

    /// As much as that for these callers; of several that name one, the first counts. They are written as in
    /// [rules](crate::policy::access::Rules), where a role is one that came with the caller's token.
    ///
    /// # Errors
    ///
    /// When a pattern is none.
    pub fn except<N: Into<String>>(
        self,
        callers: impl IntoIterator<Item = N>,
        quota: Quota,
    ) -> Result<Self, RuleError> {
        let callers = callers.into_iter().map(|who| Who::parse(who.into())).collect::<Result<_, _>>()?;
        let mut exceptions = self.inner.exceptions.clone();
        exceptions.push((callers, quota));
        Ok(Self::with(self.inner.quota, exceptions))
    }

    fn with(quota: Quota, exceptions: Vec<(Vec<Who>, Quota)>) -> Self {
        let table = Mutex::new(Table::new(now(), limits::QUOTA_CALLERS, quota));
        let (salt, refused) = (roll(), AtomicU64::new(0));
        Self { inner: Arc::new(Inner { quota, exceptions, table, salt, refused }) }
    }

    /// For [`ServerBuilder::layer`](crate::ServerBuilder::layer). It belongs within the layer that says who calls, which is added
    /// after it.
    pub fn layer(&self) -> impl FnOnce(Arc<dyn Handler>) -> QuotaHandler<Arc<dyn Handler>> + Send + 'static {
        let quotas = self.clone();
        move |inner| quotas.around(inner)
    }

    /// A handler that answers with `handler` what this lets through.
    pub fn around<H: Handler>(&self, handler: H) -> QuotaHandler<H> {
        QuotaHandler { quotas: self.clone(), inner: handler }
    }

    /// What it knows at this moment.
    pub fn snapshot(&self) -> QuotaSnapshot {
        let callers = self.inner.table.lock().len();
        QuotaSnapshot { callers, refused: self.inner.refused.load(Ordering::Relaxed) }
    }

    fn enter(&self, request: &Request) -> Result<Place, RpcError> {
        let caller = Caller::of(request);
        let quota = self.quota(caller);
        let mut hasher = DefaultHasher::new();
        (self.inner.salt, caller).hash(&mut hasher);
        let began = now();
        let entered = self.inner.table.lock().enter(began, hasher.finish(), quota);
        let seat = entered.map_err(|over| self.refuse(caller, over))?;
        Ok(Place { quotas: self.clone(), seat, began })
    }

    fn quota(&self, caller: Caller<'_>) -> Quota {
        let Caller::Proved(identity) = caller else { return self.inner.quota };
        let has_role = |role: &str| identity.roles().any(|have| have == role);
        let own = self
            .inner
            .exceptions
            .iter()
            .find(|(callers, _)| callers.iter().any(|who| who.is(identity, has_role)));
        own.map_or(self.inner.quota, |(_, quota)| *quota)
    }

    fn refuse(&self, caller: Caller<'_>, over: Over) -> RpcError {
        self.inner.refused.fetch_add(1, Ordering::Relaxed);
        let whose = match over.seat {
            Seat::Of(_) => caller.to_string(),
            Seat::Shared => "callers for whom there is no place of their own".to_owned(),
        };
        let (later, why) = match over.at_work {
            Some(limit) => {
                let later = over.wait.max(limits::QUOTA_LATER);
                (later, format!("{limit} calls at work already (`Quota::in_flight`)"))
            }
            None => (over.wait, "begun as many calls as may in this time (`Quota::rate`)".to_owned()),
        };
        let text = format!("the quota is used up: {whose} has {why}; another one may come in {later:.1?}");
        RpcError::new(Code::RESOURCE_EXHAUSTED, Delivery::Refused, text).with_retry_after(later)
    }
}

impl fmt::Debug for Quotas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { quota, exceptions, .. } = &*self.inner;
        f.debug_struct("Quotas")
            .field("quota", quota)
            .field("exceptions", exceptions)
            .field("snapshot", &self.snapshot())
            .finish()
    }
}

/// Who calls, for a quota.
#[derive(Clone, Copy)]
enum Caller<'a> {
    Proved(&'a Identity),
    /// Whoever calls from there; without the port, which is another one for each connection.
    From(&'a str),
}

impl<'a> Caller<'a> {
    fn of(request: &'a Request) -> Self {
        if let Some(identity) = request.identity() {
            return Self::Proved(identity);
        }
        let address = request.peer().map_or("", |peer| peer.address());
        let port =
            address.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
        Self::From(port.map_or(address, |(host, _)| host))
    }
}

impl Hash for Caller<'_> {
    fn hash<S: Hasher>(&self, state: &mut S) {
        match self {
            Self::Proved(identity) => {
                0_u8.hash(state);
                identity.names().for_each(|name| name.hash(state));
                // Of those without a name, the subject is all that is known.
                if identity.names().next().is_none() {
                    identity.subject().hash(state);
                }
            }
            Self::From(host) => (1_u8, host).hash(state),
        }
    }
}

impl fmt::Display for Caller<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Proved(identity) => identity.fmt(f),
            Self::From(host) => write!(f, "`{}`, where nobody has proved who he is,", host.escape_debug()),
        }
    }
}

/// A call at work. Dropping it gives its place back.
struct Place {
    quotas: Quotas,
    seat: Seat,
    began: Instant,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.quotas.inner.table.lock().leave(now(), self.began, self.seat);
    }
}

// ===== impl QuotaHandler =====

/// A handler behind [`Quotas`].
#[derive(Debug)]
pub struct QuotaHandler<H> {
    quotas: Quotas,
    inner: H,
}

impl<H: Handler> Handler for QuotaHandler<H> {
    fn handle(&self, request: Request) -> HandlerFuture {
        let place = match self.quotas.enter(&request) {
            Ok(place) => place,
            Err(refusal) => return HandlerFuture::ready(Err(refusal)),
        };
        let handler = self.inner.handle(request);
        HandlerFuture::new(async move {
            let mut response = handler.await?;
            response.hold(place);
            Ok(response)
        })
    }
}
