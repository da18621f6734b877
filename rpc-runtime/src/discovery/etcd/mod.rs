//! etcd (feature `etcd`), for fleets whose registry must survive the loss of a machine: `etcd://h1:2379,h2:2379/prod/Calculator`.
//!
//! It is spoken through its JSON gateway over HTTP/1.1, which etcd 3.4 and later serve beside gRPC (docs/adr says why). Rooms:
//! `http` sends and receives, `gateway` knows what etcd is asked and what it answers, `source` follows a prefix, `registrar` keeps
//! a server's keys.
//!
//! The key of an endpoint is `/prod/Calculator/` and its address, the value is the [`Endpoint`](crate::discovery::Endpoint) as
//! text, under a lease that the server renews. Anybody can write such a key; without a lease it stays until it is deleted.

mod gateway;
mod http;
mod registrar;
mod source;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;

use crate::discovery::etcd::gateway::Gateway;
use crate::discovery::etcd::http::Http;
use crate::discovery::etcd::registrar::EtcdRegistrar;
use crate::discovery::etcd::source::EtcdSource;
use crate::discovery::{Discovery, DiscoveryError, DiscoveryScheme, Registrar};
use crate::limits;

pub(crate) use http::{Dial, Pipe};

/// How etcd is reached: the scheme of `etcd://h1:2379,h2:2379/prefix/Service`, and what servers register with.
///
/// `?transport=tls` behind an address means TLS, which needs the feature `tls` too. Give it to
/// `ChannelBuilder::discovery_scheme` if it needs more than its address says, and to a server what
/// [`registrar`](Self::registrar) makes of it.
#[derive(Clone)]
pub struct Etcd {
    /// By the name of a transport.
    dials: Vec<(&'static str, Dial)>,
    user: Option<(String, String)>,
    is_plain_password: bool,
    ttl: Duration,
}

impl Default for Etcd {
    fn default() -> Self {
        Self::new()
    }
}

impl Etcd {
    /// etcd over TCP, without a password.
    pub fn new() -> Self {
        let tcp: Dial = Arc::new(|host: &str| {
            let host = host.to_owned();
            Box::pin(async move { Ok(Box::new(TcpStream::connect(host).await?) as Box<dyn Pipe>) })
        });
        Self { dials: vec![("tcp", tcp)], user: None, is_plain_password: false, ttl: limits::LEASE }
    }

    /// The user and the password that etcd asks for. They go out as they are, so an address without `?transport=tls` is refused,
    /// unless [`plain_password`](Self::plain_password) allows it.
    #[must_use]
    pub fn user(mut self, name: impl Into<String>, password: impl Into<String>) -> Self {
        self.user = Some((name.into(), password.into()));
        self
    }

    /// Sends the password over plain TCP too, where everybody on the way can read it: for a network that is protected otherwise.
    #[must_use]
    pub const fn plain_password(mut self) -> Self {
        self.is_plain_password = true;
        self
    }

    /// How long etcd believes in a server of which it hears nothing, from 1 s to 5 min; 10 s. etcd
    /// itself grants two seconds at least, unless it is set up otherwise.
    #[must_use]
    pub fn lease(mut self, ttl: Duration) -> Self {
        self.ttl = ttl.clamp(limits::LEASE_LEAST, limits::LEASE_MOST);
        self
    }

    /// What a server registers with, at `etcd://h1:2379,h2:2379/prefix`: each of its services below the prefix.
    ///
    /// # Errors
    ///
    /// When the address cannot be read, or would send a password over plain TCP.
    pub fn registrar(&self, uri: &str) -> Result<impl Registrar + use<>, DiscoveryError> {
        let place = Place::parse(uri)?;
        Ok(EtcdRegistrar::new(place.name.clone(), place.path.clone(), self.ttl, self.gateway(&place)?))
    }

    /// Another way to reach hosts, for `?transport=…`.
    #[cfg(feature = "tls")]
    pub(crate) fn with_dial(mut self, transport: &'static str, dial: Dial) -> Self {
        self.dials.retain(|(name, _)| *name != transport);
        self.dials.push((transport, dial));
        self
    }

    fn gateway(&self, place: &Place) -> Result<Gateway, DiscoveryError> {
        let dial = self.dials.iter().find(|(name, _)| *name == place.transport);
        let Some((_, dial)) = dial else {
            let hint =
                if cfg!(feature = "tls") { "" } else { "; `tls` needs the feature `tls` of this crate" };
            let (name, transport) = (&place.name, place.transport.escape_debug());
            let text = format!("`{name}`: etcd is not reached over `{transport}` here{hint}");
            return Err(DiscoveryError::new(text));
        };
        if self.user.is_some() && place.transport == "tcp" && !self.is_plain_password {
            let text = format!(
                "`{}`: the password would go out over plain TCP: write `?transport=tls` behind the address, or allow it \
                 with `Etcd::plain_password`",
                place.name
            );
            return Err(DiscoveryError::new(text));
        }
        Ok(Gateway::new(Http::new(place.hosts.clone(), Arc::clone(dial)), self.user.clone()))
    }
}

impl fmt::Debug for Etcd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the password.
        let user = self.user.as_ref().map(|(name, _)| name);
        f.debug_struct("Etcd").field("user", &user).field("lease", &self.ttl).finish_non_exhaustive()
    }
}

impl DiscoveryScheme for Etcd {
    fn scheme(&self) -> &'static str {
        "etcd"
    }

    fn open(&self, address: &str) -> Result<Arc<dyn Discovery>, DiscoveryError> {
        let place = Place::parse(&format!("etcd://{address}"))?;
        if place.path.is_empty() {
            let text =
                format!("`{}` names no service: write `etcd://host:2379/prefix/Calculator`", place.name);
            return Err(DiscoveryError::new(text));
        }
        Ok(Arc::new(EtcdSource::new(place.name.clone(), place.path.clone(), self.gateway(&place)?)))
    }
}

/// What an address says.
#[derive(Debug, Eq, PartialEq)]
struct Place {
    name: String,
    hosts: Vec<String>,
    /// `/prefix/Service`, without a slash at its end; empty if there is none.
    path: String,
    transport: String,
}

impl Place {
    fn parse(uri: &str) -> Result<Self, DiscoveryError> {
        let wrong = |why: &str| Err(DiscoveryError::new(format!("`{}`: {why}", uri.escape_debug())));
        let rest = uri.strip_prefix("etcd://").unwrap_or(uri);
        let (rest, said) = rest.split_once('?').unwrap_or((rest, ""));
        let transport = match said.split_once('=') {
            None if said.is_empty() => "tcp",
            Some(("transport", transport)) if !transport.is_empty() => transport,
            _ => return wrong("behind `?` stands `transport=tls`"),
        };
        let (hosts, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if hosts.contains('@') {
            return wrong(
                "a user and a password do not belong into an address, which is logged: `Etcd::user` takes them",
            );
        }
        let hosts: Vec<_> = hosts.split(',').map(str::to_owned).collect();
        if hosts.iter().any(|host| !host.contains(':') || host.starts_with(':')) {
            return wrong("hosts have ports: `etcd://10.0.0.5:2379,10.0.0.6:2379/prefix/Calculator`");
        }
        let (name, path) = (uri.to_owned(), path.trim_end_matches('/').to_owned());
        Ok(Self { name, hosts, path, transport: transport.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_hosts_and_a_prefix() {
        let place = Place::parse("etcd://a:1,b:2/prod/Calculator/?transport=tls").unwrap();
        assert_eq!((place.hosts.join(" "), place.path.as_str()), ("a:1 b:2".to_owned(), "/prod/Calculator"));
        assert_eq!(place.transport, "tls");
        assert_eq!(Place::parse("etcd://a:1").unwrap().path, "");
        for (uri, expected) in [
            ("etcd://a/p", "hosts have ports"),
            ("etcd:///p", "hosts have ports"),
            ("etcd://u:p@a:1/p", "do not belong into an address"),
            ("etcd://a:1/p?tls", "behind `?` stands"),
        ] {
            let error = Place::parse(uri).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let told = |address| Etcd::new().open(address).map(|_| ()).unwrap_err().to_string();
        assert!(told("a:1").contains("names no service"));
        assert!(told("a:1/p?transport=pigeon").contains("not reached over `pigeon`"));
        let user = Etcd::new().user("root", "secret");
        let told = user.registrar("etcd://a:1/p").map(|_| ()).unwrap_err().to_string();
        assert!(told.contains("over plain TCP") && !told.contains("secret"), "{told}");
        assert!(user.open("a:1/p").is_err() && user.plain_password().open("a:1/p").is_ok());
        let shown = format!("{:?}", Etcd::new().user("root", "secret"));
        assert!(shown.contains("root") && !shown.contains("secret"), "{shown}");
    }
}
