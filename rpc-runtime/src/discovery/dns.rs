//! Names (feature `dns`): `dns://calc.internal:7000`, the addresses that a name has, and `dns://_calc._tcp.internal`, the hosts and
//! ports that a service has (SRV). They are asked for again when their time is over. Does not parse messages: hickory does.
//!
//! This is how the headless services of Kubernetes are found: `dns://calc.shop.svc.cluster.local:7000`.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::rdata::SRV;
use hickory_resolver::proto::rr::{RData, Record, RecordType};
use tokio::time::{sleep, timeout};

use crate::call::roll;
use crate::discovery::{Discovery, DiscoveryError, DiscoveryScheme, Endpoint, Feed, Updates};
use crate::limits;
use crate::policy::now;

/// `dns://`.
pub(super) struct DnsScheme;

impl DiscoveryScheme for DnsScheme {
    fn scheme(&self) -> &'static str {
        "dns"
    }

    fn open(&self, address: &str) -> Result<Arc<dyn Discovery>, DiscoveryError> {
        Ok(Arc::new(Name::parse(address)?))
    }
}

/// What is asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Name {
    uri: String,
    name: String,
    /// None if the service says its ports (SRV).
    port: Option<u16>,
    /// The scheme of what comes of it.
    transport: String,
    /// Who is asked; None for those of the machine.
    server: Option<SocketAddr>,
}

impl Name {
    fn parse(address: &str) -> Result<Self, DiscoveryError> {
        let uri = format!("dns://{address}");
        let wrong = |why: &str| Err(DiscoveryError::new(format!("`{}`: {why}", uri.escape_debug())));
        let (name, said) = address.split_once('?').unwrap_or((address, ""));
        let (mut transport, mut server) = ("tcp", None);
        for pair in said.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("transport", scheme)) if !scheme.is_empty() => transport = scheme,
                Some(("server", at)) => match at.parse() {
                    Ok(at) => server = Some(at),
                    Err(_) => return wrong("`server` takes an address and a port, `10.0.0.53:53`"),
                },
                _ => return wrong("behind `?` stand `transport=tls` or `server=10.0.0.53:53`"),
            }
        }
        let (name, port) = match name.split_once(':') {
            None if name.starts_with('_') => (name, None),
            None => {
                return wrong(
                    "it names no port: write `dns://calc.internal:7000`, or `dns://_calc._tcp.internal`",
                );
            }
            Some((name, port)) => match port.parse() {
                Ok(port) if port > 0 => (name, Some(port)),
                _ => return wrong("what stands behind `:` is no port"),
            },
        };
        if name.is_empty() {
            return wrong("it has no name");
        }
        let (name, transport) = (name.to_owned(), transport.to_owned());
        Ok(Self { uri, name, port, transport, server })
    }

    /// Asked anew for each source, so that a changed `/etc/resolv.conf` counts for the next one.
    fn resolver(&self) -> Result<TokioResolver, NetError> {
        let provider = TokioRuntimeProvider::default();
        let mut builder = match self.server {
            None => TokioResolver::builder_tokio()?,
            Some(server) => {
                let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
                connections.iter_mut().for_each(|connection| connection.port = server.port());
                let server = NameServerConfig::new(server.ip(), true, connections);
                TokioResolver::builder_with_config(ResolverConfig::from_name_servers(vec![server]), provider)
            }
        };
        let options = builder.options_mut();
        options.timeout = limits::DNS_ATTEMPT;
        // That there is none is asked again when this source thinks so.
        options.negative_max_ttl = Some(Duration::ZERO);
        if self.server.is_some() {
            options.use_hosts_file = ResolveHosts::Never;
        }
        builder.build()
    }

    /// What it stands for now, and until when.
    async fn resolve(&self, resolver: &TokioResolver) -> Result<(Vec<Endpoint>, Instant), String> {
        let asking = async {
            match self.port {
                // An address that stands for itself is asked of nobody.
                Some(_) if self.name.parse::<IpAddr>().is_ok() => {
                    let found = resolver.lookup_ip(self.name.as_str()).await;
                    vec![found.map(|found| found.as_lookup().clone())]
                }
                // One by one: asked for together, half an answer would pass for a whole one.
                Some(_) => {
                    let ask = |kind| resolver.lookup(self.name.as_str(), kind);
                    let (four, six) = tokio::join!(ask(RecordType::A), ask(RecordType::AAAA));
                    vec![four, six]
                }
                None => vec![resolver.srv_lookup(self.name.as_str()).await],
            }
        };
        let Ok(answers) = timeout(limits::DNS_ANSWER, asking).await else {
            return Err(format!("no answer within {:?}", limits::DNS_ANSWER));
        };
        let (mut endpoints, mut until, mut is_there) = (Vec::new(), None, false);
        for answer in answers {
            match answer {
                Ok(found) => {
                    endpoints.extend(self.endpoints(&found)?);
                    until = until.into_iter().chain([found.valid_until()]).min();
                    is_there = true;
                }
                Err(error) if error.is_nx_domain() => {}
                // The name is there, and has no such record.
                Err(error) if has_no_records(&error) => is_there = true,
                Err(error) => return Err(error.to_string()),
            }
        }
        if is_there {
            Ok((endpoints, until.unwrap_or_else(now)))
        } else {
            Err("there is no such name".to_owned())
        }
    }

    fn endpoints(&self, found: &Lookup) -> Result<Vec<Endpoint>, String> {
        let transport = &self.transport;
        let made = |address: String| Endpoint::new(&address).map_err(|error| error.to_string());
        match self.port {
            Some(port) => {
                let addresses = found.answers().iter().filter_map(|record| match &record.data {
                    RData::A(address) => Some(SocketAddr::new(address.0.into(), port)),
                    RData::AAAA(address) => Some(SocketAddr::new(address.0.into(), port)),
                    _ => None,
                });
                addresses.map(|address| made(format!("{transport}://{address}"))).collect()
            }
            None => {
                // Of several priorities the first one counts: the others are for when it is gone from the answer.
                let services = || found.answers().iter().filter_map(service);
                let first = services().map(|service| service.priority).min();
                let counts = services().filter(|service| Some(service.priority) == first);
                counts
                    .map(|service| {
                        let host = service.target.to_utf8();
                        let endpoint =
                            made(format!("{transport}://{}:{}", host.trim_end_matches('.'), service.port))?;
                        // 0 means little there, and nothing at all here.
                        Ok(endpoint.with_weight(u32::from(service.weight).max(1)))
                    })
                    .collect()
            }
        }
    }
}

/// Whether a name server has said that there is no such record, rather than that it cannot say.
fn has_no_records(error: &NetError) -> bool {
    matches!(error, NetError::Dns(DnsError::NoRecordsFound(none)) if none.response_code == ResponseCode::NoError)
}

fn service(record: &Record) -> Option<&SRV> {
    match &record.data {
        // The root as a host says that there is no such service (RFC 2782).
        RData::SRV(service) => (!service.target.is_root()).then_some(service),
        _ => None,
    }
}

impl Discovery for Name {
    fn name(&self) -> String {
        self.uri.clone()
    }

    fn watch(&self) -> Updates {
        let name = self.clone();
        Feed::of(async move |mut feed| {
            let resolver = loop {
                match name.resolver() {
                    Ok(resolver) => break resolver,
                    Err(error) => {
                        let text = format!("{}: the name servers of this machine: {error}", name.uri);
                        feed.fail(DiscoveryError::new(text).with_source(error)).await;
                    }
                }
            };
            loop {
                match name.resolve(&resolver).await {
                    Ok((endpoints, until)) => {
                        feed.say(endpoints).await;
                        sleep(pause(until, now(), roll())).await;
                    }
                    Err(error) => feed.fail(DiscoveryError::new(format!("{}: {error}", name.uri))).await,
                }
            }
        })
    }
}

/// How long an answer counts: its own time within bounds, and up to a tenth more, so that clients that asked together do not
/// ask together again.
fn pause(until: Instant, now: Instant, dice: u64) -> Duration {
    let own = until.saturating_duration_since(now).clamp(limits::DNS_LEAST, limits::DNS_MOST);
    own + (own / 10).mul_f64((dice >> 11) as f64 / (1_u64 << 53) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_a_name_and_how() {
        let name = Name::parse("calc.internal:7000?transport=tls&server=127.0.0.1:5353").unwrap();
        assert_eq!(
            (name.name.as_str(), name.port, name.transport.as_str()),
            ("calc.internal", Some(7000), "tls")
        );
        assert_eq!(name.server, Some("127.0.0.1:5353".parse().unwrap()));
        assert_eq!(Name::parse("_calc._tcp.internal").unwrap().port, None);
        for (address, expected) in [
            ("calc.internal", "names no port"),
            ("calc.internal:x", "no port"),
            (":1", "no name"),
            ("a:1?server=x", "takes an address and a port"),
            ("a:1?ttl=1", "behind `?` stand"),
        ] {
            let error = Name::parse(address).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("`dns://{address}`: ")) && error.contains(expected),
                "{error}"
            );
        }
    }

    #[test]
    fn an_answer_counts_for_its_time_within_bounds() {
        let now = now();
        let pause = |secs, dice| pause(now + Duration::from_secs(secs), now, dice).as_secs_f64();
        assert_eq!((pause(0, 0), pause(30, 0), pause(86_400, 0)), (1.0, 30.0, 300.0));
        assert!((32.9..=33.0).contains(&pause(30, u64::MAX)));
    }
}
