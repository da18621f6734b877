//! Owns [`RegistryScheme`]: `registry://host:port/Calculator`, the endpoints that our registry knows. Does not register.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt;

use crate::call::{Caller, RpcError};
use crate::discovery::{Discovery, DiscoveryError, DiscoveryScheme, Endpoint, Feed, Updates};
use crate::limits;
use crate::registry::service::{Change, RegistryClient};

/// `registry://host:port/Service`, and how the registry is reached: over TCP, or as `?transport=tls` says.
///
/// What makes calls to it is made of its address by a function, so that it can have a client's certificates and tokens.
pub struct RegistryScheme<F> {
    reach: F,
}

impl<C: Caller, F> RegistryScheme<F>
where
    F: Fn(&str) -> Result<C, RpcError> + Send + Sync + 'static,
{
    /// The scheme, with what makes a caller of `tcp://host:port`; it is to connect when it is first called.
    pub const fn new(reach: F) -> Self {
        Self { reach }
    }
}

impl<F> std::fmt::Debug for RegistryScheme<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RegistryScheme")
    }
}

impl<C: Caller, F> DiscoveryScheme for RegistryScheme<F>
where
    F: Fn(&str) -> Result<C, RpcError> + Send + Sync + 'static,
{
    fn scheme(&self) -> &'static str {
        "registry"
    }

    fn open(&self, address: &str) -> Result<Arc<dyn Discovery>, DiscoveryError> {
        let name = format!("registry://{address}");
        let place = Place::parse(&name)?;
        let Some(service) = place.service else {
            let text = format!("`{name}` names no service: write `registry://host:port/Calculator`");
            return Err(DiscoveryError::new(text));
        };
        let client =
            RegistryClient::new((self.reach)(&place.address).map_err(|error| unusable(&name, &error))?);
        Ok(Arc::new(Source { name, client, service }))
    }
}

pub(super) fn unusable(name: &str, error: &RpcError) -> DiscoveryError {
    DiscoveryError::new(format!("`{name}`: {error}")).with_source(error.clone())
}

/// What an address of a registry says.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Place {
    /// A transport's address.
    pub(super) address: String,
    pub(super) service: Option<String>,
}

impl Place {
    pub(super) fn parse(uri: &str) -> Result<Self, DiscoveryError> {
        let wrong = |why: &str| DiscoveryError::new(format!("`{}`: {why}", uri.escape_debug()));
        let (_, rest) = uri.split_once("://").unwrap_or_default();
        let (rest, said) = rest.split_once('?').unwrap_or((rest, ""));
        let transport = match said.split_once('=') {
            None if said.is_empty() => "tcp",
            Some(("transport", transport)) if !transport.is_empty() => transport,
            _ => return Err(wrong("behind `?` stands `transport=tls`, or another transport's scheme")),
        };
        // The address of a Unix socket has slashes, so the service is behind the last one.
        let (host, service) = rest.rsplit_once('/').unwrap_or((rest, ""));
        if host.is_empty() {
            return Err(wrong("it names no host: write `registry://host:port/Calculator`"));
        }
        let service = (!service.is_empty()).then(|| service.to_owned());
        Ok(Self { address: format!("{transport}://{host}"), service })
    }
}

struct Source<C> {
    name: String,
    client: RegistryClient<C>,
    service: String,
}

impl<C: Caller> Discovery for Source<C> {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn watch(&self) -> Updates {
        let (name, client, service) = (self.name.clone(), self.client.clone(), self.service.clone());
        Feed::of(async move |mut feed| {
            let mut known = BTreeMap::new();
            loop {
                let error = follow(&client, &service, &mut known, &mut feed).await;
                let text = format!("{name}: {error}");
                feed.fail(DiscoveryError::new(text).with_source(error)).await;
            }
        })
    }
}

type Endpoints = BTreeMap<String, Endpoint>;

/// Reads one watch to its end, and says why it has ended.
async fn follow<C: Caller>(
    client: &RegistryClient<C>,
    service: &str,
    known: &mut Endpoints,
    feed: &mut Feed,
) -> DiscoveryError {
    let failed = |error: String| DiscoveryError::new(error);
    let mut changes = match client.watch(service.to_owned()).await {
        Ok(changes) => changes,
        Err(error) => return failed(error.to_string()),
    };
    while let Some(change) = changes.next().await {
        match change {
            Ok(change) => {
                apply(known, change);
                if let Err(error) = bound(known) {
                    return error;
                }
                feed.say(known.values().cloned().collect()).await;
            }
            Err(error) => return failed(error.to_string()),
        }
    }
    failed("the registry has ended the watch".to_owned())
}

/// Takes a change in. What is gone is gone; but a list of a registry that may not know all forgets nobody.
fn apply(known: &mut Endpoints, change: Change) {
    if change.settled && change.whole {
        known.clear();
    }
    change.gone.iter().for_each(|address| drop(known.remove(address)));
    known.extend(change.set.into_iter().map(|endpoint| (endpoint.address().to_owned(), endpoint)));
}

/// Forgets a list that is longer than one can be: whoever says so many could fill the memory. What was said before stays in force.
fn bound(known: &mut Endpoints) -> Result<(), DiscoveryError> {
    let (count, most) = (known.len(), limits::ENDPOINTS);
    if count > most {
        known.clear();
        return Err(DiscoveryError::new(format!("the registry says {count} endpoints, more than {most}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_how_the_registry_is_reached() {
        let parse = |uri| Place::parse(uri).map(|place| (place.address, place.service));
        let place = |address: &str, service: Option<&str>| (address.to_owned(), service.map(str::to_owned));
        assert_eq!(parse("registry://h:1/A").unwrap(), place("tcp://h:1", Some("A")));
        assert_eq!(parse("registry://h:1").unwrap(), place("tcp://h:1", None));
        assert_eq!(parse("registry://h:1/A?transport=tls").unwrap(), place("tls://h:1", Some("A")));
        let unix = parse("registry:///run/r.sock/A?transport=unix").unwrap();
        assert_eq!(unix, place("unix:///run/r.sock", Some("A")));
        for (uri, expected) in
            [("registry:///A", "names no host"), ("registry://h:1/A?tls", "behind `?` stands")]
        {
            let error = parse(uri).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_registry_that_may_not_know_all_makes_nobody_forgotten() {
        let endpoint = |address: &str| Endpoint::new(address).unwrap();
        let (mut known, a, b, c) = (Endpoints::new(), endpoint("h:1"), endpoint("h:2"), endpoint("h:3"));
        let addresses =
            |known: &Endpoints| known.keys().map(|key| key[key.len() - 1..].to_owned()).collect::<String>();
        apply(
            &mut known,
            Change { whole: true, set: vec![a.clone(), b], settled: true, ..Change::default() },
        );
        apply(&mut known, Change { whole: true, set: vec![c.clone()], ..Change::default() });
        assert_eq!(addresses(&known), "123");
        apply(&mut known, Change { gone: vec!["tcp://h:1".to_owned()], ..Change::default() });
        assert_eq!(addresses(&known), "23");
        apply(&mut known, Change { whole: true, set: vec![c], settled: true, ..Change::default() });
        assert_eq!(addresses(&known), "3");
    }

    #[test]
    fn more_endpoints_than_there_can_be_are_forgotten() {
        let mut known = Endpoints::new();
        let some = |from: usize| {
            let made = |at| Endpoint::new(&format!("h{at}:1")).unwrap();
            Change { set: (from..from + limits::ENDPOINTS / 2).map(made).collect(), ..Change::default() }
        };
        for from in [0, limits::ENDPOINTS / 2] {
            apply(&mut known, some(from));
            bound(&mut known).unwrap();
        }
        apply(&mut known, some(limits::ENDPOINTS));
        let error = bound(&mut known).unwrap_err().to_string();
        assert!(error.contains("98304 endpoints, more than 65536") && known.is_empty(), "{error}");
    }
}
