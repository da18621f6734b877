//! Owns [`Identity`]: what the other end of a connection has proved of itself. Does not prove anything: transports do.

use std::fmt;
use std::sync::Arc;

/// Who the other end of a connection has proved to be.
///
/// What it *says* of itself is in [`Peer`](crate::Peer) and in the metadata, and proves nothing. An identity comes from
/// the transport: over TLS it is the names of the peer's certificate, once a trusted root has been found for it.
///
/// ```
/// use traitwire::Context;
/// fn may_refund() -> bool {
///     let context = Context::current();
///     let identity = context.peer().and_then(|peer| peer.identity());
///     identity.is_some_and(|identity| identity.is("spiffe://shop/billing"))
/// }
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Identity(Arc<Names>);

#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Names {
    uris: Vec<String>,
    dns_names: Vec<String>,
    subject: String,
    common_name: Option<String>,
    roles: Vec<String>,
}

impl Identity {
    /// An identity with these names: URIs, and DNS names, which have no colon.
    pub fn new<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Self {
        let (uris, dns_names) = names.into_iter().map(Into::into).partition(|name: &String| is_uri(name));
        Self(Arc::new(Names { uris, dns_names, ..Names::default() }))
    }

    /// The identity with the subject of its certificate, for people.
    #[must_use]
    pub fn with_subject(mut self, subject: impl Into<String>, common_name: Option<String>) -> Self {
        let names = Arc::make_mut(&mut self.0);
        names.subject = subject.into();
        names.common_name = common_name;
        self
    }

    /// The identity with these roles beside those that it has: what it may be, by the word of who knows whose token it is. A
    /// role is no name: what a caller is called never gives it a role.
    #[must_use]
    pub fn with_roles<R: Into<String>>(mut self, roles: impl IntoIterator<Item = R>) -> Self {
        Arc::make_mut(&mut self.0).roles.extend(roles.into_iter().map(Into::into));
        self
    }

    /// Whether this is one of its names. One with a colon is a URI, and must be the same to the byte; any other is a DNS
    /// name, in which case does not count. The subject and the common name are not among its names.
    pub fn is(&self, name: &str) -> bool {
        if is_uri(name) {
            self.uris().any(|uri| uri == name)
        } else {
            self.dns_names().any(|have| have.eq_ignore_ascii_case(name))
        }
    }

    /// All of its names: URIs first, then DNS names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.uris().chain(self.dns_names())
    }

    /// Its URIs: `spiffe://shop/billing`, say.
    pub fn uris(&self) -> impl Iterator<Item = &str> {
        self.0.uris.iter().map(String::as_str)
    }

    /// Its DNS names; one that begins with `*.` is a pattern, as it stands in the certificate.
    pub fn dns_names(&self) -> impl Iterator<Item = &str> {
        self.0.dns_names.iter().map(String::as_str)
    }

    /// Its roles: those that came with its token. More of them may be given by the
    /// [rules](crate::policy::access::Rules::role) of a server.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.0.roles.iter().map(String::as_str)
    }

    /// The subject of its certificate, for people: `CN=billing, O=shop`. Anybody's may look alike: decide by names.
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// The common name in the subject, for people.
    pub fn common_name(&self) -> Option<&str> {
        self.0.common_name.as_deref()
    }
}

impl fmt::Display for Identity {
    /// Its names; if it has none, its subject. What a peer chose is escaped, for logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.names().map(|name| name.escape_debug().to_string()).collect();
        if names.is_empty() {
            return write!(f, "{}", self.subject().escape_debug());
        }
        f.write_str(&names.join(", "))
    }
}

/// Every URI has a scheme before a colon, and no DNS name has a colon: the two are never taken for each other.
fn is_uri(name: &str) -> bool {
    name.contains(':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_by_their_kind_and_subjects_are_no_names() {
        let identity = Identity::new(["spiffe://shop/Billing", "Billing.internal"])
            .with_subject("CN=root, O=shop", Some("root".to_owned()));
        assert!(identity.is("spiffe://shop/Billing") && identity.is("billing.INTERNAL"));
        for other in
            ["spiffe://shop/billing", "spiffe://shop/Billing/x", "root", "CN=root, O=shop", "internal", ""]
        {
            assert!(!identity.is(other), "{other}");
        }
        assert_eq!(identity.to_string(), "spiffe://shop/Billing, Billing.internal");
        assert_eq!(Identity::new([""; 0]).with_subject("CN=a\nb", None).to_string(), "CN=a\\nb");
    }
}
