//! Owns [`Endpoint`]: one server as a source describes it, and its one form as text. Does not know where it comes from.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::discovery::error::DiscoveryError;
use crate::limits;

/// One server that answers for a service. Two endpoints with the same address are the same server.
///
/// As text it is its address and what differs from the defaults, which is how lists in addresses and files have it; an
/// address without a scheme means TCP:
///
/// ```
/// use traitwire::discovery::Endpoint;
/// # fn main() -> Result<(), traitwire::discovery::DiscoveryError> {
/// let endpoint: Endpoint = "10.0.0.7:7000?weight=50&zone=east&tag.disk=fast".parse()?;
/// assert_eq!((endpoint.address(), endpoint.weight()), ("tcp://10.0.0.7:7000", 50));
/// assert_eq!((endpoint.zone(), endpoint.tags()["disk"].as_str()), (Some("east"), "fast"));
/// assert_eq!(endpoint, Endpoint::new("tcp://10.0.0.7:7000")?.with_weight(50).with_zone("east").with_tag("disk", "fast"));
/// assert_eq!(endpoint.to_string(), "tcp://10.0.0.7:7000?weight=50&zone=east&tag.disk=fast");
/// # Ok(()) }
/// ```
///
/// `%`, `,`, `?`, `&`, `=` and spaces are written as in URLs, `%2C` for a comma. On the wire it is this text.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Endpoint {
    address: Arc<str>,
    weight: u32,
    zone: Option<Arc<str>>,
    version: Option<Arc<str>>,
    instance: Option<u64>,
    tags: Arc<BTreeMap<String, String>>,
}

impl Endpoint {
    /// The server at this address, `tcp://10.0.0.7:7000`; without a scheme it means TCP.
    ///
    /// # Errors
    ///
    /// When it is no address: empty, longer than [`limits::ENDPOINT_TEXT`], with spaces or control characters, or without a port
    /// where it has no scheme.
    pub fn new(address: &str) -> Result<Self, DiscoveryError> {
        let wrong = |why: &str| {
            let shown: String = address.chars().take(80).collect();
            DiscoveryError::new(format!("`{}` is not the address of a server: {why}", shown.escape_debug()))
        };
        if address.len() > limits::ENDPOINT_TEXT {
            return Err(wrong(&format!("it has more than {} bytes", limits::ENDPOINT_TEXT)));
        }
        if address.chars().any(|letter| letter.is_whitespace() || letter.is_control()) {
            return Err(wrong("it has a space in it"));
        }
        // What no URI has in it, and what values that mean something else often do.
        if address.contains(|letter: char| "\"<>\\^`{|}".contains(letter)) {
            return Err(wrong("no address has `\"`, `<`, `>`, `\\`, `^`, a backtick, `{`, `|` or `}` in it"));
        }
        let full = match address.split_once("://") {
            Some((scheme, rest)) if !scheme.is_empty() && !rest.is_empty() => {
                format!("{}://{rest}", scheme.to_ascii_lowercase())
            }
            None if has_port(address) => format!("tcp://{address}"),
            _ => return Err(wrong("one looks like `10.0.0.7:7000` or `tls://calc.internal:7000`")),
        };
        let tags = Arc::default();
        Ok(Self {
            address: full.into(),
            weight: limits::WEIGHT,
            zone: None,
            version: None,
            instance: None,
            tags,
        })
    }

    /// How much it takes beside the others, 100 by default; at most 65,535, and 0 for no new calls.
    #[must_use]
    pub fn with_weight(mut self, weight: u32) -> Self {
        self.weight = weight.min(limits::WEIGHT_MOST);
        self
    }

    /// Where it stands: a data centre, a rack, whatever near and far is measured by.
    #[must_use]
    pub fn with_zone(mut self, zone: &str) -> Self {
        self.zone = Some(zone.into());
        self
    }

    /// Which version of the service it runs; for people, and for those who choose by it.
    #[must_use]
    pub fn with_version(mut self, version: &str) -> Self {
        self.version = Some(version.into());
        self
    }

    /// The number that the server says in its HELLO, which tells a restarted server from the one before it.
    #[must_use]
    pub const fn with_instance(mut self, instance: u64) -> Self {
        self.instance = Some(instance);
        self
    }

    /// Something else that is to be known of it.
    #[must_use]
    pub fn with_tag(mut self, key: &str, value: &str) -> Self {
        Arc::make_mut(&mut self.tags).insert(key.to_owned(), value.to_owned());
        self
    }

    /// Where it is: a transport's address.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// How much it takes beside the others; 0 if it is to get no new calls.
    pub const fn weight(&self) -> u32 {
        self.weight
    }

    /// Where it stands, if its source says so.
    pub fn zone(&self) -> Option<&str> {
        self.zone.as_deref()
    }

    /// Which version it runs, if its source says so.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// The number in its HELLO, if its source knows it.
    pub const fn instance(&self) -> Option<u64> {
        self.instance
    }

    /// What else is known of it.
    pub fn tags(&self) -> &BTreeMap<String, String> {
        &self.tags
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), DiscoveryError> {
        let number = |most: u64| value.parse().ok().filter(|number: &u64| *number <= most);
        let wrong = |takes: &str| {
            DiscoveryError::new(format!("`{key}` takes {takes}, not `{}`", value.escape_debug()))
        };
        match key {
            "weight" => {
                let most = limits::WEIGHT_MOST;
                let weight = number(most.into()).and_then(|weight| weight.try_into().ok());
                self.weight = weight.ok_or_else(|| wrong(&format!("a whole number from 0 to {most}")))?;
            }
            "zone" => self.zone = Some(value.into()),
            "version" => self.version = Some(value.into()),
            "instance" => {
                self.instance =
                    Some(number(u64::MAX).ok_or_else(|| wrong("the number in a server's HELLO"))?);
            }
            _ => match key.strip_prefix("tag.") {
                Some(tag) => drop(Arc::make_mut(&mut self.tags).insert(tag.to_owned(), value.to_owned())),
                None => {
                    let known = "there are `weight`, `zone`, `version`, `instance` and `tag.…`";
                    let text = format!("`{}` says nothing of an endpoint: {known}", key.escape_debug());
                    return Err(DiscoveryError::new(text));
                }
            },
        }
        Ok(())
    }
}

impl FromStr for Endpoint {
    type Err = DiscoveryError;

    fn from_str(text: &str) -> Result<Self, DiscoveryError> {
        if text.len() > limits::ENDPOINT_TEXT {
            let most = limits::ENDPOINT_TEXT;
            return Err(DiscoveryError::new(format!(
                "an endpoint has at most {most} bytes, not {}",
                text.len()
            )));
        }
        let (address, said) = text.split_once('?').unwrap_or((text, ""));
        let mut endpoint = Self::new(&unescaped(address)?)?;
        for pair in said.split('&').filter(|pair| !pair.is_empty()) {
            let Some((key, value)) = pair.split_once('=') else {
                let text = format!("`{}` is not of the form `key=value`", pair.escape_debug());
                return Err(DiscoveryError::new(text));
            };
            endpoint.set(&unescaped(key)?, &unescaped(value)?)?;
        }
        Ok(endpoint)
    }
}

impl TryFrom<String> for Endpoint {
    type Error = DiscoveryError;

    fn try_from(text: String) -> Result<Self, DiscoveryError> {
        text.parse()
    }
}

impl From<Endpoint> for String {
    fn from(endpoint: Endpoint) -> Self {
        endpoint.to_string()
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Escaped(&self.address))?;
        let mut between = '?';
        let mut pair = |key: &str, value: &str| {
            let told = write!(f, "{between}{}={}", Escaped(key), Escaped(value));
            between = '&';
            told
        };
        if self.weight != limits::WEIGHT {
            pair("weight", &self.weight.to_string())?;
        }
        for (key, value) in [("zone", self.zone()), ("version", self.version())] {
            value.map_or(Ok(()), |value| pair(key, value))?;
        }
        if let Some(instance) = self.instance {
            pair("instance", &instance.to_string())?;
        }
        self.tags.iter().try_for_each(|(key, value)| pair(&format!("tag.{key}"), value))
    }
}

fn has_port(address: &str) -> bool {
    address.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

/// Text in which nothing stands that means something between endpoints.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            match letter {
                '%' | ',' | '?' | '&' | '=' | '#' => write!(f, "%{:02X}", u32::from(letter))?,
                _ if letter.is_ascii_control() || letter == ' ' => write!(f, "%{:02X}", u32::from(letter))?,
                _ => write!(f, "{letter}")?,
            }
        }
        Ok(())
    }
}

fn unescaped(text: &str) -> Result<String, DiscoveryError> {
    let wrong =
        || DiscoveryError::new(format!("`{}`: behind `%` stand two hexadecimal digits", text.escape_debug()));
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split('%');
    bytes.extend_from_slice(parts.next().unwrap_or_default().as_bytes());
    for part in parts {
        let digits = part.get(..2).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        bytes.push(digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).ok_or_else(wrong)?);
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

/// What a server is told that registers again at an address which another instance has registered meanwhile.
pub(crate) fn replaced(endpoint: &Endpoint) -> String {
    format!("another server has registered as `{}` since: this one gives way", endpoint.address())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_wrong_is_named() {
        let cases = [
            ("", "`` is not the address of a server: one looks like"),
            ("calc", "`calc` is not the address of a server: one looks like"),
            ("tcp://", "one looks like"),
            ("a b:1", "it has a space in it"),
            ("a:b", "one looks like"),
            (":1", "one looks like"),
            ("{\"a\":1}", "no address has"),
            ("a:1?weight=65536", "`weight` takes a whole number from 0 to 65535, not `65536`"),
            ("a:1?weight=-1", "`weight` takes"),
            ("a:1?wieght=1", "`wieght` says nothing of an endpoint: there are `weight`"),
            ("a:1?zone", "`zone` is not of the form `key=value`"),
            ("a:1?zone=%2", "behind `%` stand two hexadecimal digits"),
            ("a:1?zone=%ff", "behind `%` stand"),
            ("a:1?instance=x", "`instance` takes the number"),
        ];
        for (text, expected) in cases {
            let told = text.parse::<Endpoint>().unwrap_err().to_string();
            assert!(told.contains(expected), "{text}: {told}");
        }
        let long = format!("{}:1", "a".repeat(limits::ENDPOINT_TEXT));
        assert!(Endpoint::new(&long).unwrap_err().to_string().len() < 300);
        assert!(long.parse::<Endpoint>().is_err());
    }

    proptest! {
        #[test]
        fn text_and_back_is_the_same(
            path in "[!#-;=?-Z_a-z~é]{1,20}",
            weight in 0_u32..=65_535,
            zone in proptest::option::of(any::<String>()),
            instance in any::<Option<u64>>(),
            tags in proptest::collection::btree_map("[!-~ ]{0,6}", any::<String>(), 0..3),
        ) {
            let mut endpoint = Endpoint::new(&format!("unix:///{path}")).unwrap().with_weight(weight);
            endpoint.zone = zone.map(Into::into);
            endpoint.instance = instance;
            endpoint.tags = Arc::new(tags);
            let text = endpoint.to_string();
            prop_assert!(!text.contains([',', '\n', ' ']), "{}", text);
            prop_assert_eq!(text.parse::<Endpoint>().unwrap(), endpoint);
        }

        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = text.parse::<Endpoint>();
        }
    }
}
