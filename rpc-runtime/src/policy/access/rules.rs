//! Owns [`Rules`]: which callers may call which methods. Pure: names in, yes or no and the reason out.

use crate::call::Identity;
use crate::policy::access::pattern::{Callers, Methods, RuleError, Who, role};
use crate::policy::access::reason::Reason;

/// Which callers may call which methods. What no rule allows is denied, and what a rule denies is denied though others
/// allow it.
///
/// **Methods** are `Service.method`, all of a service `Service.*`, or all `*`. **Callers** are a
/// [name](Identity::is) of theirs, URIs that begin alike `spiffe://shop/*`, those with a role `role:clerk`, or all that have
/// proved who they are, `*`. In a denial `*` is everybody, those included who have proved nothing: whoever may not come with a
/// name does not get in without one.
///
/// URIs that begin alike are cut behind a `/` or a `:`, so that `spiffe://shop/*` is not `spiffe://shop.evil/*`. DNS names are
/// compared whole: their ends say whose they are, not their beginnings.
///
/// **Roles** come with a caller's [token](Identity::with_roles), or are [given](Self::role) by these rules. A method whose
/// trait names roles, `#[rpc(allow = "clerk")]`, is allowed to those who have one of them. Rules about many methods, such as
/// `Till.*`, do not open it to others, because whoever wrote them may not have thought of it; a rule about this very method
/// does, and one that denies it, or its whole service, is stronger than all of that.
///
/// They print as the TOML that [`from_toml`](Self::from_toml) reads (feature `config`).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Rules {
    pub(super) rules: Vec<Rule>,
    /// Roles, and who has them.
    pub(super) roles: Vec<(String, Vec<Who>)>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Rule {
    pub(super) methods: Methods,
    pub(super) callers: Callers,
    pub(super) allows: bool,
}

impl Rules {
    /// Denies everything, but for what traits allow to roles, which nobody has yet.
    pub const fn new() -> Self {
        Self { rules: Vec::new(), roles: Vec::new() }
    }

    /// Allows these methods to these callers.
    ///
    /// # Errors
    ///
    /// When a pattern is none of the forms above.
    pub fn allow<N: Into<String>>(
        self,
        methods: &str,
        callers: impl IntoIterator<Item = N>,
    ) -> Result<Self, RuleError> {
        self.rule(methods, callers, true)
    }

    /// Denies these methods to these callers, whatever allows them.
    ///
    /// # Errors
    ///
    /// When a pattern is none of the forms above.
    pub fn deny<N: Into<String>>(
        self,
        methods: &str,
        callers: impl IntoIterator<Item = N>,
    ) -> Result<Self, RuleError> {
        self.rule(methods, callers, false)
    }

    /// Allows these methods to everybody, those included who have not proved who they are.
    ///
    /// # Errors
    ///
    /// When the pattern is none of the forms above.
    pub fn allow_anybody(mut self, methods: &str) -> Result<Self, RuleError> {
        let methods = Methods::parse(methods)?;
        self.rules.push(Rule { methods, callers: Callers::Anybody, allows: true });
        Ok(self)
    }

    /// Gives this role to these callers, beside those whose tokens say that they have it.
    ///
    /// # Errors
    ///
    /// When a caller is neither a name, nor the beginning of URIs, nor `*`.
    pub fn role<N: Into<String>>(
        mut self,
        name: &str,
        callers: impl IntoIterator<Item = N>,
    ) -> Result<Self, RuleError> {
        let name = role(name)?;
        let callers =
            callers.into_iter().map(|who| Who::parse_member(who.into())).collect::<Result<_, _>>()?;
        self.roles.push((name, callers));
        Ok(self)
    }

    /// Whether this caller may call this method, `"Service.method"`, whose trait [names](crate::MethodDescriptor::allow) these
    /// roles, and why.
    pub fn decide<'a>(&'a self, method: &str, roles: &'a [&'a str], caller: Option<&Identity>) -> Reason<'a> {
        let mut allowed = None;
        for rule in self.rules.iter().filter(|rule| rule.methods.has(method)) {
            let Some(caller) = self.find(rule, caller) else { continue };
            let methods = rule.methods.text();
            if !rule.allows {
                return Reason::Denied { methods, caller };
            }
            if roles.is_empty() || rule.methods.is_one() {
                allowed = allowed.or(Some(Reason::Allowed { methods, caller }));
            }
        }
        let role = || roles.iter().find(|role| caller.is_some_and(|caller| self.has_role(caller, role)));
        match (allowed, roles) {
            (Some(reason), _) => reason,
            (None, []) => Reason::NoRule,
            (None, _) => role().map_or(Reason::NoRole(roles), |role| Reason::Role(role)),
        }
    }

    /// Which of the callers of a rule this one is, as the rule writes it.
    fn find<'a>(&self, rule: &'a Rule, caller: Option<&Identity>) -> Option<&'a str> {
        match (&rule.callers, caller) {
            (Callers::Anybody, _) => Some(ANYBODY),
            (Callers::Some(_), None) if rule.allows => None,
            (Callers::Some(some), None) => some.iter().find(|who| who.is_all()).map(Who::text),
            (Callers::Some(some), Some(caller)) => {
                let found = some.iter().find(|who| who.is(caller, |role| self.has_role(caller, role)));
                found.map(Who::text)
            }
        }
    }

    fn has_role(&self, caller: &Identity, role: &str) -> bool {
        let given =
            |(name, to): &(String, Vec<Who>)| name == role && to.iter().any(|who| who.is(caller, |_| false));
        caller.roles().any(|have| have == role) || self.roles.iter().any(given)
    }

    fn rule<N: Into<String>>(
        mut self,
        methods: &str,
        callers: impl IntoIterator<Item = N>,
        allows: bool,
    ) -> Result<Self, RuleError> {
        let methods = Methods::parse(methods)?;
        let callers = callers.into_iter().map(|who| Who::parse(who.into())).collect::<Result<_, _>>()?;
        self.rules.push(Rule { methods, callers: Callers::Some(callers), allows });
        Ok(self)
    }
}

/// Those included who have not proved who they are, where a caller may stand.
pub(in crate::policy) const ANYBODY: &str = "anybody";

#[cfg(test)]
mod tests {
    use super::*;

    fn may(rules: &Rules, method: &str, roles: &[&str], caller: &Identity) -> bool {
        rules.decide(method, roles, Some(caller)).allows()
    }

    #[test]
    fn what_no_rule_allows_is_denied_and_a_denial_wins() {
        let rules = Rules::new()
            .allow("Till.*", ["spiffe://shop/*", "clerk.internal"])
            .and_then(|rules| rules.deny("Till.refund", ["spiffe://shop/basket"]))
            .and_then(|rules| rules.allow("Audit.read", ["*"]))
            .and_then(|rules| rules.allow_anybody("Health.check"))
            .and_then(|rules| rules.allow("acme.books.Ledger.*", ["clerk.internal"]))
            .unwrap();
        for (method, name, expected) in [
            ("Till.pay", "spiffe://shop/basket", true),
            ("Till.refund", "spiffe://shop/basket", false),
            ("Till.refund", "spiffe://shop/billing", true),
            ("Till.pay", "spiffe://shop.evil/basket", false),
            ("Till.pay", "spiffe://shop", false),
            ("Till.pay", "CLERK.internal", true),
            ("Till.pay", "clerk.internal.evil", false),
            ("Tillage.pay", "clerk.internal", false),
            ("Till.inner.pay", "clerk.internal", false),
            ("Till", "clerk.internal", false),
            ("Audit.read", "anyone:at:all", true),
            ("Audit.write", "anyone:at:all", false),
            ("acme.books.Ledger.balance", "clerk.internal", true),
            ("acme.books.Other.balance", "clerk.internal", false),
            ("", "clerk.internal", false),
        ] {
            assert_eq!(may(&rules, method, &[], &Identity::new([name])), expected, "{method} by {name}");
        }
        assert!(!rules.decide("Audit.read", &[], None).allows());
        assert!(rules.decide("Health.check", &[], None).allows());
        assert!(!may(&Rules::new(), "Till.pay", &[], &Identity::new(["a:b"])));
        assert!(may(&Rules::new().allow("*", ["a:b"]).unwrap(), "Any.thing", &[], &Identity::new(["a:b"])));
    }

    #[test]
    fn a_method_whose_trait_names_roles_is_for_those_and_whom_a_rule_about_it_names() {
        let rules = Rules::new()
            .role("clerk", ["user:ada", "spiffe://shop/tills/*"])
            .and_then(|rules| rules.allow("Till.*", ["*"]))
            .and_then(|rules| rules.allow("*", ["*"]))
            .and_then(|rules| rules.allow("Till.refund", ["user:grace"]))
            .and_then(|rules| rules.allow("Till.count", ["role:auditor"]))
            .and_then(|rules| rules.deny("Till.*", ["user:mallory", "role:suspended"]))
            .unwrap();
        let named = |name: &str| Identity::new([name]);
        for (caller, refund, pay) in [
            (named("user:ada"), true, true),
            (named("spiffe://shop/tills/3"), true, true),
            (named("user:eve"), false, true),
            (named("user:eve").with_roles(["clerk"]), true, true),
            (named("user:eve").with_roles(["clerks", "Clerk"]), false, true),
            (named("role:clerk"), false, true),
            (named("clerk"), false, true),
            (named("user:grace"), true, true),
            (named("user:mallory").with_roles(["clerk"]), false, false),
            (named("user:ada").with_roles(["suspended"]), false, false),
        ] {
            assert_eq!(may(&rules, "Till.refund", &["clerk", "manager"], &caller), refund, "{caller:?}");
            assert_eq!(may(&rules, "Till.pay", &[], &caller), pay, "{caller:?}");
        }
        assert!(may(&rules, "Till.count", &["clerk"], &named("user:zoe").with_roles(["auditor"])));
        assert!(!rules.decide("Till.refund", &["clerk"], None).allows());
        let open = Rules::new().allow_anybody("*").unwrap();
        assert!(!open.decide("Till.refund", &["clerk"], None).allows(), "it is not the very method");
        assert!(open.allow_anybody("Till.refund").unwrap().decide("Till.refund", &["clerk"], None).allows());
    }

    #[test]
    fn a_denial_of_all_is_of_those_too_who_have_proved_nothing() {
        let rules = Rules::new()
            .allow_anybody("Till.*")
            .and_then(|rules| rules.deny("Till.drain", ["*"]))
            .and_then(|rules| rules.deny("Till.pay", ["user:*", "role:clerk"]))
            .unwrap();
        let decide = |method, caller| rules.decide(method, &[], caller).to_string();
        let ada = Identity::new(["user:ada"]);
        for caller in [None, Some(&ada)] {
            assert_eq!(decide("Till.drain", caller), "the rule `Till.drain` for `*` denies it");
        }
        assert_eq!(decide("Till.pay", Some(&ada)), "the rule `Till.pay` for `user:*` denies it");
        assert_eq!(decide("Till.pay", None), "the rule `Till.*` for `anybody` allows it");
    }

    #[test]
    fn each_decision_has_its_reason() {
        let rules = Rules::new()
            .role("clerk", ["user:ada"])
            .and_then(|rules| rules.allow("Till.*", ["user:*"]))
            .and_then(|rules| rules.deny("Till.drain", ["role:clerk"]))
            .and_then(|rules| rules.allow_anybody("Health.check"))
            .unwrap();
        let ada = Identity::new(["user:ada"]);
        for (method, roles, caller, expected) in [
            ("Till.pay", &[][..], Some(&ada), "the rule `Till.*` for `user:*` allows it"),
            ("Till.drain", &[], Some(&ada), "the rule `Till.drain` for `role:clerk` denies it"),
            ("Till.refund", &["boss", "clerk"], Some(&ada), "the caller has the role `clerk`"),
            (
                "Till.refund",
                &["boss", "owner"],
                Some(&ada),
                "the caller has none of the roles `boss`, `owner`",
            ),
            ("Health.check", &[], None, "the rule `Health.check` for `anybody` allows it"),
            ("Till.pay", &[], None, "no rule allows it"),
        ] {
            assert_eq!(rules.decide(method, roles, caller).to_string(), expected);
        }
    }

    #[test]
    fn patterns_that_could_mean_too_much_are_none() {
        for methods in ["", "Till", "Till.", ".pay", "Till.p*", "T*.pay", "*.pay", "**", "*.*", "."] {
            assert!(Rules::new().allow(methods, ["*"]).is_err(), "{methods}");
            assert!(Rules::new().allow_anybody(methods).is_err(), "{methods}");
        }
        for caller in [
            "",
            "spiffe://shop*",
            "clerk*",
            "clerk.internal*",
            "clerk/*",
            "**",
            "role:",
            "role:*",
            "role:a*",
            "role:a b",
        ] {
            let error = Rules::new().deny("*", [caller]).unwrap_err().to_string();
            assert!(error.contains("is no pattern: one is a name"), "{error}");
        }
        let error = Rules::new().role("boss", ["role:clerk"]).unwrap_err().to_string();
        assert!(error.contains("roles are given to callers, not to other roles"), "{error}");
        for role in ["", "*", "two words"] {
            assert!(Rules::new().role(role, ["*"]).is_err(), "{role}");
        }
    }
}
