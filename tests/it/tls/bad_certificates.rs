//! Bad certificates, each shown by a server and by a client: who they are shown to refuses with the reason, who shows them
//! is told what an alert can tell, and an honest peer is taken before and after.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, SanType, date_time_ymd,
};
use traitwire::tls::{CertifiedKey, ClientTls, Roots, ServerTls};
use traitwire::{Channel, Code, Delivery};

use super::super::support::call;
use super::serving::serve;

/// What the sides believe: servers are at this address, and clients have this name.
const HOST: &str = "127.0.0.1";
const CLIENT: &str = "spiffe://shop/billing";

/// A bad certificate, in how it differs from a good one.
struct Bad {
    name: &'static str,
    /// What the side that refuses says: the client of a server, the server of a client.
    reason: [&'static str; 2],
    /// What the other side hears.
    alert: [&'static str; 2],
    make: fn(&World, Role) -> Shown,
}

#[derive(Clone, Copy, PartialEq)]
enum Role {
    Server,
    Client,
}

/// A chain and a key, in PEM.
struct Shown(String, String);

/// The CA that both sides believe, and one that they do not.
struct World {
    ca: Authority,
    other: Authority,
}

struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn root(name: &str) -> Self {
        let (params, key) = (ca(name), KeyPair::generate().unwrap());
        Self { pem: params.self_signed(&key).unwrap().pem(), issuer: Issuer::new(params, key) }
    }

    /// One that `self` vouches for.
    fn intermediate(&self, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let (mut params, key) = (ca("intermediate"), KeyPair::generate().unwrap());
        change(&mut params);
        Self { pem: params.signed_by(&key, &self.issuer).unwrap().pem(), issuer: Issuer::new(params, key) }
    }

    fn sign(&self, role: Role, change: impl FnOnce(&mut CertificateParams)) -> Shown {
        let (mut params, key) = (good(role), KeyPair::generate().unwrap());
        change(&mut params);
        Shown(params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

impl Shown {
    /// Behind it, the certificate of who signed it.
    fn with(mut self, authority: &Authority) -> Self {
        self.0.push_str(&authority.pem);
        self
    }

    /// With the last bit of its signature flipped.
    fn with_a_flipped_bit(self) -> Self {
        let base64: String = self.0.lines().filter(|line| !line.starts_with('-')).collect();
        let mut der = STANDARD.decode(base64).unwrap();
        *der.last_mut().unwrap() ^= 1;
        let text = STANDARD.encode(der);
        Self(format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n"), self.1)
    }

    fn key(&self) -> CertifiedKey {
        CertifiedKey::pem(&self.0, &self.1)
    }
}

fn ca(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = subject(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn good(role: Role) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = subject(if role == Role::Server { HOST } else { CLIENT });
    params.subject_alt_names = names(if role == Role::Server { HOST } else { CLIENT });
    params.extended_key_usages = vec![usage(role)];
    params
}

fn usage(role: Role) -> ExtendedKeyUsagePurpose {
    match role {
        Role::Server => ExtendedKeyUsagePurpose::ServerAuth,
        Role::Client => ExtendedKeyUsagePurpose::ClientAuth,
    }
}

fn subject(name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    subject
}

fn names(name: &str) -> Vec<SanType> {
    vec![match name.parse() {
        Ok(address) => SanType::IpAddress(address),
        Err(_) if name.contains(':') => SanType::URI(name.try_into().unwrap()),
        Err(_) => SanType::DnsName(name.try_into().unwrap()),
    }]
}

/// A leaf under an intermediate that the root signed, shown together.
fn under(world: &World, role: Role, change: impl FnOnce(&mut CertificateParams)) -> Shown {
    let intermediate = world.ca.intermediate(change);
    intermediate.sign(role, |_| {}).with(&intermediate)
}

const fn both(words: &'static str) -> [&'static str; 2] {
    [words, words]
}

const BAD: &[Bad] = &[
    Bad {
        name: "of another service",
        reason: [
            "it is not for `127.0.0.1`, but for ",
            "it is valid, but none of its names is among those that are taken",
        ],
        alert: ["it is broken, or is for another name", "it is valid, but is not among those that are taken"],
        make: |world, role| {
            let other = if role == Role::Server { "10.0.0.1" } else { "spiffe://shop/basket" };
            world.ca.sign(role, |params| params.subject_alt_names = names(other))
        },
    },
    Bad {
        name: "with its name in the subject alone",
        reason: [
            "it has no subject alternative name, and the common name does not count",
            "it is valid, but none of its names is among those that are taken",
        ],
        alert: ["it is broken, or is for another name", "it is valid, but is not among those that are taken"],
        make: |world, role| world.ca.sign(role, |params| params.subject_alt_names.clear()),
    },
    Bad {
        name: "expired",
        reason: both("it has expired; it was valid until 2020-02-02 00:00:00 UTC"),
        alert: both("it has expired, or is not valid yet"),
        make: |world, role| world.ca.sign(role, |params| params.not_after = date_time_ymd(2020, 2, 2)),
    },
    Bad {
        name: "not yet valid",
        reason: both("it is not valid before 2999-01-01 00:00:00 UTC: is a clock wrong?"),
        alert: both("it has expired, or is not valid yet"),
        make: |world, role| world.ca.sign(role, |params| params.not_before = date_time_ymd(2999, 1, 1)),
    },
    Bad {
        name: "for the other use",
        reason: both("it is not for this use (extended key usage)"),
        alert: both("it is not for this use"),
        make: |world, role| {
            let other = if role == Role::Server { Role::Client } else { Role::Server };
            world.ca.sign(role, |params| params.extended_key_usages = vec![usage(other)])
        },
    },
    Bad {
        name: "of an unknown CA",
        reason: both("no trusted root leads to it"),
        alert: both("no root that it trusts leads to it"),
        make: |world, role| world.other.sign(role, |_| {}).with(&world.other),
    },
    Bad {
        name: "self-signed",
        reason: both("no trusted root leads to it"),
        alert: both("no root that it trusts leads to it"),
        make: |_, role| {
            let key = KeyPair::generate().unwrap();
            Shown(good(role).self_signed(&key).unwrap().pem(), key.serialize_pem())
        },
    },
    Bad {
        name: "a CA as a peer",
        reason: both("it is that of a CA, and not of a peer"),
        alert: both("something else is wrong with it or its chain"),
        make: |world, role| {
            world.ca.sign(role, |params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained))
        },
    },
    Bad {
        name: "without its intermediate",
        reason: both("an intermediate certificate is missing"),
        alert: both("no root that it trusts leads to it"),
        make: |world, role| world.ca.intermediate(|_| {}).sign(role, |_| {}),
    },
    Bad {
        name: "with another's intermediate",
        reason: both("no trusted root leads to it"),
        alert: both("no root that it trusts leads to it"),
        make: |world, role| {
            let other = world.ca.intermediate(|params| params.distinguished_name = subject("another"));
            world.ca.intermediate(|_| {}).sign(role, |_| {}).with(&other)
        },
    },
    Bad {
        name: "with an intermediate of the same name and another key",
        reason: both("a signature is wrong"),
        alert: both("its signature is wrong"),
        make: |world, role| {
            world.ca.intermediate(|_| {}).sign(role, |_| {}).with(&world.ca.intermediate(|_| {}))
        },
    },
    Bad {
        name: "with an expired intermediate",
        reason: both("it has expired"),
        alert: both("it has expired"),
        make: |world, role| under(world, role, |params| params.not_after = date_time_ymd(2020, 2, 2)),
    },
    Bad {
        name: "with an intermediate that is no CA",
        reason: both("a certificate of its chain is not that of a CA"),
        alert: both("something else is wrong with it or its chain"),
        make: |world, role| under(world, role, |params| params.is_ca = IsCa::ExplicitNoCa),
    },
    Bad {
        name: "beyond its CA's name constraints",
        reason: both("may not vouch for its names (name constraints)"),
        alert: both("something else is wrong with it or its chain"),
        make: |world, role| {
            let internal = GeneralSubtree::DnsName("internal".to_owned());
            let here = GeneralSubtree::IpAddress(CidrSubnet::V4([127, 0, 0, 0], [255, 0, 0, 0]));
            let excluded_subtrees = vec![internal, here];
            let constraints = NameConstraints { permitted_subtrees: Vec::new(), excluded_subtrees };
            let intermediate = world.ca.intermediate(|params| params.name_constraints = Some(constraints));
            // Constraints on one kind of name say nothing of other kinds.
            let more = names("billing.internal");
            intermediate.sign(role, |params| params.subject_alt_names.extend(more)).with(&intermediate)
        },
    },
    Bad {
        name: "with a longer chain than a CA of it allows",
        reason: both("its chain is longer than it may be"),
        alert: both("something else is wrong with it or its chain"),
        make: |world, role| {
            let first =
                world.ca.intermediate(|params| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)));
            let second = first.intermediate(|params| params.distinguished_name = subject("second"));
            second.sign(role, |_| {}).with(&second).with(&first)
        },
    },
    Bad {
        name: "with a flipped bit",
        reason: both("a signature is wrong"),
        alert: both("its signature is wrong"),
        make: |world, role| world.ca.sign(role, |_| {}).with_a_flipped_bit(),
    },
];

/// What both sides believe, and what they show.
struct Pair {
    server: ServerTls,
    client: ClientTls,
}

impl World {
    fn new() -> Self {
        Self { ca: Authority::root("root"), other: Authority::root("other root") }
    }

    fn pair(&self, server: CertifiedKey, client: CertifiedKey) -> Pair {
        let roots = Roots::pem(&self.ca.pem);
        Pair {
            server: ServerTls::new(server).require_clients(roots.clone()).only_clients([CLIENT]),
            client: ClientTls::new().roots(roots).certificate(client),
        }
    }

    fn good(&self, role: Role) -> CertifiedKey {
        self.ca.sign(role, |_| {}).key()
    }
}

/// Connects and calls: what the client says of it, and the server, if it refuses.
async fn meet(pair: Pair) -> (Result<(), String>, Option<String>) {
    let (uri, mut failed) = serve(pair.server).await;
    let said = match Channel::builder().tls(pair.client).connect(&uri).await {
        Ok(channel) => {
            return (call(&channel, "Hand.echo", "x").await.map(drop).map_err(|e| e.to_string()), None);
        }
        Err(error) => {
            assert_eq!((error.code(), error.delivery()), (Code::UNAVAILABLE, Delivery::NotSent), "{error}");
            error.to_string()
        }
    };
    (Err(said), Some(failed.recv().await.unwrap()))
}

fn assert_says(who: &str, bad: &str, said: &str, words: &str) {
    assert!(said.contains(words), "the {who}, of one {bad}, should say `{words}`, and says: {said}");
}

#[tokio::test]
async fn a_client_refuses_each_bad_certificate_of_a_server_and_both_say_why() {
    let world = World::new();
    for bad in BAD {
        let shown = (bad.make)(&world, Role::Server).key();
        let (client, server) = meet(world.pair(shown, world.good(Role::Client))).await;
        let (client, server) = (client.unwrap_err(), server.unwrap());
        assert_says("client", bad.name, &client, "the server's certificate is refused: ");
        assert_says("client", bad.name, &client, bad.reason[0]);
        assert_says("server", bad.name, &server, "the client refuses the certificate of this side: ");
        assert_says("server", bad.name, &server, bad.alert[0]);
    }
}

#[tokio::test]
async fn a_server_refuses_each_bad_certificate_of_a_client_and_both_say_why() {
    let world = World::new();
    for bad in BAD {
        let shown = (bad.make)(&world, Role::Client).key();
        let (client, server) = meet(world.pair(world.good(Role::Server), shown)).await;
        let (client, server) = (client.unwrap_err(), server.unwrap());
        assert_says("server", bad.name, &server, "the client's certificate is refused: ");
        assert_says("server", bad.name, &server, bad.reason[1]);
        assert_says("client", bad.name, &client, "the server refuses the certificate of this side: ");
        assert_says("client", bad.name, &client, bad.alert[1]);
    }
}

/// The table would show nothing if the good ones of the same making were refused too.
#[tokio::test]
async fn good_certificates_are_taken_however_long_their_chains() {
    let world = World::new();
    let plain = |role| world.good(role);
    let chained = |role| under(&world, role, |_| {}).key();
    let any_use = |role| {
        let both = vec![usage(Role::Server), usage(Role::Client)];
        world.ca.sign(role, |params| params.extended_key_usages = both).key()
    };
    let no_use = |role| world.ca.sign(role, |params| params.extended_key_usages.clear()).key();
    let makers: [&dyn Fn(Role) -> CertifiedKey; 4] = [&plain, &chained, &any_use, &no_use];
    for make in makers {
        assert_eq!(meet(world.pair(make(Role::Server), make(Role::Client))).await, (Ok(()), None));
    }
}

#[test]
fn the_table_is_long_enough() {
    assert!(BAD.len() >= 14);
}
