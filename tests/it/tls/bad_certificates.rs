//! Bad certificates, each shown by a server and by a client: who they are shown to refuses with the reason, and who shows them
//! is told what an alert can tell. One table for both who make them: `forge` with rcgen, `openssl` with that tool.

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, GeneralSubtree, IsCa, NameConstraints, date_time_ymd,
};
use traitwire::tls::{ClientTls, RevocationLists, Roots, ServerTls};
use traitwire::{Channel, Code, Delivery};

use super::super::support::call;
use super::forge::{World, common_name, names, usage};
use super::openssl::Openssl;
use super::serving::serve;

/// What the sides want of each other where a row says nothing else: servers are at this address, and clients have this name.
pub(super) const HOST: &str = "127.0.0.1";
pub(super) const CLIENT: &str = "spiffe://shop/billing";

/// Who shows a certificate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Role {
    Server,
    Client,
}

impl Role {
    pub(super) fn other(self) -> Self {
        if self == Self::Server { Self::Client } else { Self::Server }
    }

    /// What an honest one is called.
    pub(super) fn name(self) -> &'static str {
        if self == Self::Server { HOST } else { CLIENT }
    }
}

/// Somebody who makes certificates, good ones and those of the table.
pub(super) trait Workshop {
    /// The roots that both sides believe, in PEM.
    fn believed(&self) -> String;

    fn good(&self, role: Role) -> Shown;

    /// `None` for one that this tool cannot make.
    fn bad(&self, bad: &Bad, role: Role) -> Option<Shown>;

    /// What is revoked by now, where that is kept.
    fn list(&self) -> Option<RevocationLists> {
        None
    }
}

/// A chain and a key, in PEM.
pub(super) struct Shown(pub(super) String, pub(super) String);

/// A bad certificate, in how it differs from a good one.
pub(super) struct Bad {
    name: &'static str,
    /// What the side that refuses says: the client of a server, the server of a client.
    reason: [&'static str; 2],
    /// What the other side hears.
    alert: [&'static str; 2],
    /// The name that is wanted of the one who shows it.
    wanted: Option<&'static str>,
    /// Whether both sides look at a list of what is revoked.
    has_list: bool,
    pub(super) rcgen: Option<fn(&World, Role) -> Shown>,
    pub(super) openssl: Option<fn(&Openssl, Role) -> Shown>,
}

impl Bad {
    fn new(name: &'static str, reason: [&'static str; 2], alert: [&'static str; 2]) -> Self {
        Self { name, reason, alert, wanted: None, has_list: false, rcgen: None, openssl: None }
    }

    fn rcgen(mut self, make: fn(&World, Role) -> Shown) -> Self {
        self.rcgen = Some(make);
        self
    }

    fn openssl(mut self, make: fn(&Openssl, Role) -> Shown) -> Self {
        self.openssl = Some(make);
        self
    }

    fn where_wanted(mut self, name: &'static str) -> Self {
        self.wanted = Some(name);
        self
    }

    fn listed(mut self) -> Self {
        self.has_list = true;
        self
    }
}

const fn both(words: &'static str) -> [&'static str; 2] {
    [words, words]
}

const NO_ROOT: [&str; 2] = both("no trusted root leads to it");
const WRONG_SIGNATURE: [&str; 2] = both("a signature is wrong");

const HEARS_NO_ROOT: [&str; 2] = both("no root that it trusts leads to it");
const HEARS_NAME: [&str; 2] =
    ["it is broken, or is for another name", "it is valid, but is not among those that are taken"];
const HEARS_DATE: [&str; 2] = both("it has expired, or is not valid yet");
const HEARS_SIGNATURE: [&str; 2] = both("its signature is wrong");
const HEARS_CHAIN: [&str; 2] = both("something else is wrong with it or its chain");

/// What only has another name than is wanted.
fn misnamed(name: &'static str, of_a_server: &'static str) -> Bad {
    Bad::new(
        name,
        [of_a_server, "it is valid, but none of its names is among those that are taken"],
        HEARS_NAME,
    )
}

/// What begins and ends at these times.
const PAST: &str = "-startdate 20190101000000Z -enddate 20200202000000Z";
const FUTURE: &str = "-startdate 29990101000000Z -enddate 30000101000000Z";

fn of_names() -> Vec<Bad> {
    // A label, and not all that may stand before a domain, or nothing.
    let wildcard = |name, of_a_server, wanted| {
        misnamed(name, of_a_server)
            .where_wanted(wanted)
            .rcgen(|world, role| {
                world.ca.sign(role, |params| params.subject_alt_names = names("*.shop.example"))
            })
            .openssl(|tool, role| tool.leaf(role).names("DNS:*.shop.example").sign("root"))
    };
    vec![
        misnamed("of another service", "it is not for `127.0.0.1`, but for ")
            .rcgen(|world, role| {
                let other = if role == Role::Server { "10.0.0.1" } else { "spiffe://shop/basket" };
                world.ca.sign(role, |params| params.subject_alt_names = names(other))
            })
            .openssl(|tool, role| {
                let other = if role == Role::Server { "IP:10.0.0.1" } else { "URI:spiffe://shop/basket" };
                tool.leaf(role).names(other).sign("root")
            }),
        misnamed(
            "with its name in the subject alone",
            "it has no subject alternative name, and the common name does not count",
        )
        .rcgen(|world, role| world.ca.sign(role, |params| params.subject_alt_names.clear()))
        .openssl(|tool, role| tool.leaf(role).names("").sign("root")),
        wildcard(
            "with a wildcard for two labels",
            "it is not for `a.b.shop.example`, but for *.shop.example",
            "a.b.shop.example",
        ),
        wildcard(
            "with a wildcard for the bare domain",
            "it is not for `shop.example`, but for *.shop.example",
            "shop.example",
        ),
    ]
}

fn of_itself() -> Vec<Bad> {
    vec![
        Bad::new("expired", both("it has expired; it was valid until 2020-02-02 00:00:00 UTC"), HEARS_DATE)
            .rcgen(|world, role| world.ca.sign(role, |params| params.not_after = date_time_ymd(2020, 2, 2)))
            .openssl(|tool, role| tool.leaf(role).option(PAST).sign("root")),
        Bad::new(
            "not yet valid",
            both("it is not valid before 2999-01-01 00:00:00 UTC: is a clock wrong?"),
            HEARS_DATE,
        )
        .rcgen(|world, role| world.ca.sign(role, |params| params.not_before = date_time_ymd(2999, 1, 1)))
        .openssl(|tool, role| tool.leaf(role).option(FUTURE).sign("root")),
        Bad::new(
            "for the other use",
            both("it is not for this use (extended key usage)"),
            both("it is not for this use"),
        )
        .rcgen(|world, role| {
            world.ca.sign(role, |params| params.extended_key_usages = vec![usage(role.other())])
        })
        .openssl(|tool, role| tool.leaf(role).used_by(role.other()).sign("root")),
        Bad::new("a CA as a peer", both("it is that of a CA, and not of a peer"), HEARS_CHAIN)
            .rcgen(|world, role| {
                world.ca.sign(role, |params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained))
            })
            .openssl(|tool, role| {
                tool.leaf(role).extension("basicConstraints=critical,CA:TRUE").sign("root")
            }),
        Bad::new("with a flipped bit", WRONG_SIGNATURE, HEARS_SIGNATURE)
            .rcgen(|world, role| world.ca.sign(role, |_| {}).with_a_flipped_bit())
            .openssl(|tool, role| tool.leaf(role).sign("root").with_a_flipped_bit()),
        Bad::new("signed with SHA-1", both("it is signed in a way"), HEARS_SIGNATURE)
            .openssl(|tool, role| tool.leaf(role).option("-md sha1").sign("root")),
        Bad::new("revoked", both("it is revoked"), both("it is revoked")).listed().openssl(|tool, role| {
            let shown = tool.leaf(role).sign("root");
            tool.revoke(&shown);
            shown
        }),
    ]
}

fn of_its_chain() -> Vec<Bad> {
    vec![
        Bad::new("of an unknown CA", NO_ROOT, HEARS_NO_ROOT)
            .rcgen(|world, role| world.other.sign(role, |_| {}).with(&world.other.pem))
            .openssl(|tool, role| tool.leaf(role).sign("other").with(&tool.pem("other"))),
        Bad::new("self-signed", NO_ROOT, HEARS_NO_ROOT)
            .rcgen(|_, role| World::self_signed(role))
            .openssl(|tool, role| tool.leaf(role).self_sign()),
        Bad::new("without its intermediate", both("an intermediate certificate is missing"), HEARS_NO_ROOT)
            .rcgen(|world, role| world.ca.intermediate(|_| {}).sign(role, |_| {}))
            .openssl(|tool, role| tool.leaf(role).sign("between")),
        Bad::new("with another's intermediate", NO_ROOT, HEARS_NO_ROOT)
            .rcgen(|world, role| {
                let other =
                    world.ca.intermediate(|params| params.distinguished_name = common_name("another"));
                world.ca.intermediate(|_| {}).sign(role, |_| {}).with(&other.pem)
            })
            .openssl(|tool, role| tool.leaf(role).sign("between").with(&tool.pem("bound"))),
        Bad::new("with an intermediate of the same name and another key", WRONG_SIGNATURE, HEARS_SIGNATURE)
            .rcgen(|world, role| {
                world.ca.intermediate(|_| {}).sign(role, |_| {}).with(&world.ca.intermediate(|_| {}).pem)
            })
            .openssl(|tool, role| tool.leaf(role).sign("between").with(&tool.pem("twin"))),
        Bad::new("with an expired intermediate", both("it has expired"), both("it has expired"))
            .rcgen(|world, role| under(world, role, |params| params.not_after = date_time_ymd(2020, 2, 2)))
            .openssl(|tool, role| tool.leaf(role).under("past")),
        Bad::new(
            "with an intermediate that is no CA",
            both("a certificate of its chain is not that of a CA"),
            HEARS_CHAIN,
        )
        .rcgen(|world, role| under(world, role, |params| params.is_ca = IsCa::ExplicitNoCa))
        .openssl(|tool, role| tool.leaf(role).under("plain")),
        Bad::new(
            "with an intermediate of X.509 before version 3",
            both("it is no X.509 certificate of version 3"),
            HEARS_CHAIN,
        )
        .openssl(|tool, role| tool.leaf(role).under("old")),
        Bad::new("of a CA whose key is too short", WRONG_SIGNATURE, HEARS_SIGNATURE)
            .openssl(|tool, role| tool.leaf(role).sign("weak")),
        // Constraints on one kind of name say nothing of other kinds.
        Bad::new(
            "beyond its CA's name constraints",
            both("may not vouch for its names (name constraints)"),
            HEARS_CHAIN,
        )
        .rcgen(|world, role| {
            let internal = GeneralSubtree::DnsName("internal".to_owned());
            let here = GeneralSubtree::IpAddress(CidrSubnet::V4([127, 0, 0, 0], [255, 0, 0, 0]));
            let excluded_subtrees = vec![internal, here];
            let constraints = NameConstraints { permitted_subtrees: Vec::new(), excluded_subtrees };
            let bound = world.ca.intermediate(|params| params.name_constraints = Some(constraints));
            let more = names("billing.internal");
            bound.sign(role, |params| params.subject_alt_names.extend(more)).with(&bound.pem)
        })
        .openssl(|tool, role| tool.leaf(role).also("DNS:billing.internal").under("bound")),
        Bad::new(
            "with a longer chain than a CA of it allows",
            both("its chain is longer than it may be"),
            HEARS_CHAIN,
        )
        .rcgen(|world, role| {
            let first =
                world.ca.intermediate(|params| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)));
            let second = first.intermediate(|params| params.distinguished_name = common_name("second"));
            second.sign(role, |_| {}).with(&second.pem).with(&first.pem)
        })
        .openssl(|tool, role| tool.leaf(role).under("second").with(&tool.pem("first"))),
    ]
}

fn table() -> impl Iterator<Item = Bad> {
    of_names().into_iter().chain(of_itself()).chain(of_its_chain())
}

/// A leaf under an intermediate that the root signed, shown together.
fn under(world: &World, role: Role, change: impl FnOnce(&mut CertificateParams)) -> Shown {
    let intermediate = world.ca.intermediate(change);
    intermediate.sign(role, |_| {}).with(&intermediate.pem)
}

/// What the sides want of each other.
pub(super) struct Wants {
    pub(super) server: &'static str,
    pub(super) client: &'static str,
    pub(super) lists: Option<RevocationLists>,
}

impl Default for Wants {
    fn default() -> Self {
        Self { server: HOST, client: CLIENT, lists: None }
    }
}

/// Connects and calls: what the client says of it, and the server, if one of them refuses.
pub(super) async fn meet(
    believed: String,
    [server, client]: [Shown; 2],
    wants: Wants,
) -> (Result<(), String>, Option<String>) {
    let roots = Roots::pem(believed);
    let mut served = ServerTls::new(server.key()).require_clients(roots.clone()).only_clients([wants.client]);
    let mut tls = ClientTls::new().roots(roots).certificate(client.key()).server_name(wants.server);
    if let Some(lists) = wants.lists {
        (served, tls) = (served.revocation_lists(lists.clone()), tls.revocation_lists(lists));
    }
    let (uri, mut failed) = serve(served).await;
    let said = match Channel::builder().tls(tls).connect(&uri).await {
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

/// All that can be made there are refused where this side shows them, each with its reason.
pub(super) async fn all_are_refused(workshop: &impl Workshop, role: Role) {
    let mut count = 0;
    for bad in table() {
        let Some(shown) = workshop.bad(&bad, role) else { continue };
        let mut wants = Wants { lists: bad.has_list.then(|| workshop.list()).flatten(), ..Wants::default() };
        let shown = match role {
            Role::Server => {
                wants.server = bad.wanted.unwrap_or(wants.server);
                [shown, workshop.good(Role::Client)]
            }
            Role::Client => {
                wants.client = bad.wanted.unwrap_or(wants.client);
                [workshop.good(Role::Server), shown]
            }
        };
        let (client, server) = meet(workshop.believed(), shown, wants).await;
        let (client, server) = (client.expect_err(bad.name), server.unwrap());
        let (refuses, hears) = match role {
            Role::Server => (("client", client), ("server", server)),
            Role::Client => (("server", server), ("client", client)),
        };
        let says = |(who, said): &(&str, String), words: &str| {
            assert!(said.contains(words), "the {who}, of one {}, should say `{words}`: {said}", bad.name);
        };
        says(&refuses, &format!("the {}'s certificate is refused: ", hears.0));
        says(&refuses, bad.reason[role as usize]);
        says(&hears, &format!("the {} refuses the certificate of this side: ", refuses.0));
        says(&hears, bad.alert[role as usize]);
        count += 1;
    }
    assert!(count >= 14, "{count}");
}

#[tokio::test]
async fn a_client_refuses_each_bad_certificate_of_a_server_and_both_say_why() {
    all_are_refused(&World::new(), Role::Server).await;
}

#[tokio::test]
async fn a_server_refuses_each_bad_certificate_of_a_client_and_both_say_why() {
    all_are_refused(&World::new(), Role::Client).await;
}

/// The table would show nothing if the good ones of the same making were refused too.
#[tokio::test]
async fn good_certificates_are_taken_however_long_their_chains() {
    let world = World::new();
    let plain = |role| world.good(role);
    let chained = |role| under(&world, role, |_| {});
    let any_use = |role| {
        let both = vec![usage(Role::Server), usage(Role::Client)];
        world.ca.sign(role, |params| params.extended_key_usages = both)
    };
    let no_use = |role| world.ca.sign(role, |params| params.extended_key_usages.clear());
    let makers: [&dyn Fn(Role) -> Shown; 4] = [&plain, &chained, &any_use, &no_use];
    for make in makers {
        let shown = [make(Role::Server), make(Role::Client)];
        assert_eq!(meet(world.believed(), shown, Wants::default()).await, (Ok(()), None));
    }
    let wildcard = world.ca.sign(Role::Server, |params| params.subject_alt_names = names("*.shop.example"));
    let shown = [wildcard, world.good(Role::Client)];
    let wants = Wants { server: "a.shop.example", ..Wants::default() };
    assert_eq!(meet(world.believed(), shown, wants).await, (Ok(()), None));
}
