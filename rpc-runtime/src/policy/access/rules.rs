//! Owns [`Rules`]: which callers may call which methods. Pure: names in, yes or no out.

use std::fmt;

use crate::call::Identity;

/// Which callers may call which methods. What no rule allows is denied, and what a rule denies is denied though others
/// allow it.
///
/// **Methods** are `Service.method`, all of a service `Service.*`, or all `*`. **Callers** are a
/// [name](Identity::is) of theirs, URIs that begin alike `spiffe://shop/*`, or all that have proved who they are, `*`.
///
/// URIs that begin alike are cut behind a `/` or a `:`, so that `spiffe://shop/*` is not `spiffe://shop.evil/*`. DNS names are
/// compared whole: their ends say whose they are, not their beginnings.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
struct Rule {
    methods: Methods,
    callers: Callers,
    allows: bool,
}

#[derive(Clone, Debug)]
enum Methods {
    All,
    /// `Service.`
    Of(String),
    One(String),
}

#[derive(Clone, Debug)]
enum Callers {
    Anybody,
    Some(Vec<Who>),
}

#[derive(Clone, Debug)]
enum Who {
    Proved,
    Beginning(String),
    Named(String),
}

impl Rules {
    /// Denies everything.
    pub const fn new() -> Self {
        Self { rules: Vec::new() }
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

    /// Whether this caller may call this method, `"Service.method"`.
    pub fn allow_call(&self, method: &str, caller: Option<&Identity>) -> bool {
        let mut allowed = false;
        for rule in self.rules.iter().filter(|rule| rule.methods.has(method) && rule.callers.has(caller)) {
            if !rule.allows {
                return false;
            }
            allowed = true;
        }
        allowed
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

impl Methods {
    fn parse(pattern: &str) -> Result<Self, RuleError> {
        let error =
            || RuleError { pattern: pattern.to_owned(), advice: "`Service.method`, `Service.*` or `*`" };
        if pattern == "*" {
            return Ok(Self::All);
        }
        match pattern.split_once('.') {
            Some((service, method)) if service.is_empty() || method.is_empty() || service.contains('*') => {
                Err(error())
            }
            Some((service, "*")) => Ok(Self::Of(format!("{service}."))),
            Some((_, method)) if !method.contains('*') => Ok(Self::One(pattern.to_owned())),
            _ => Err(error()),
        }
    }

    fn has(&self, method: &str) -> bool {
        match self {
            Self::All => true,
            Self::Of(service) => method.starts_with(service.as_str()),
            Self::One(name) => method == name,
        }
    }
}

impl Callers {
    fn has(&self, caller: Option<&Identity>) -> bool {
        match (self, caller) {
            (Self::Anybody, _) => true,
            (Self::Some(_), None) => false,
            (Self::Some(some), Some(caller)) => some.iter().any(|who| who.is(caller)),
        }
    }
}

impl Who {
    fn parse(pattern: String) -> Result<Self, RuleError> {
        let advice = "a name, the beginning of URIs up to a `/` or `:` and `*` (`spiffe://shop/*`), or `*`";
        match pattern.strip_suffix('*') {
            Some("") => Ok(Self::Proved),
            Some(beginning) if beginning.contains(':') && beginning.ends_with(['/', ':']) => {
                Ok(Self::Beginning(beginning.to_owned()))
            }
            None if !pattern.is_empty() => Ok(Self::Named(pattern)),
            _ => Err(RuleError { pattern, advice }),
        }
    }

    fn is(&self, caller: &Identity) -> bool {
        match self {
            Self::Proved => true,
            Self::Beginning(beginning) => caller.uris().any(|uri| uri.starts_with(beginning.as_str())),
            Self::Named(name) => caller.is(name),
        }
    }
}

/// A pattern that is none.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RuleError {
    pattern: String,
    advice: &'static str,
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no pattern: one is {}", self.pattern.escape_debug(), self.advice)
    }
}

impl std::error::Error for RuleError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_rule_allows_is_denied_and_a_denial_wins() {
        let rules = Rules::new()
            .allow("Till.*", ["spiffe://shop/*", "clerk.internal"])
            .and_then(|rules| rules.deny("Till.refund", ["spiffe://shop/basket"]))
            .and_then(|rules| rules.allow("Audit.read", ["*"]))
            .and_then(|rules| rules.allow_anybody("Health.check"))
            .unwrap();
        let may = |method: &str, name: &str| rules.allow_call(method, Some(&Identity::new([name])));
        for (method, name, expected) in [
            ("Till.pay", "spiffe://shop/basket", true),
            ("Till.refund", "spiffe://shop/basket", false),
            ("Till.refund", "spiffe://shop/billing", true),
            ("Till.pay", "spiffe://shop.evil/basket", false),
            ("Till.pay", "spiffe://shop", false),
            ("Till.pay", "CLERK.internal", true),
            ("Till.pay", "clerk.internal.evil", false),
            ("Tillage.pay", "clerk.internal", false),
            ("Till", "clerk.internal", false),
            ("Audit.read", "anyone:at:all", true),
            ("Audit.write", "anyone:at:all", false),
            ("", "clerk.internal", false),
        ] {
            assert_eq!(may(method, name), expected, "{method} by {name}");
        }
        assert!(!rules.allow_call("Audit.read", None) && rules.allow_call("Health.check", None));
        assert!(!Rules::new().allow_call("Till.pay", Some(&Identity::new(["a:b"]))));
        assert!(
            Rules::new().allow("*", ["a:b"]).unwrap().allow_call("Any.thing", Some(&Identity::new(["a:b"])))
        );
    }

    #[test]
    fn patterns_that_could_mean_too_much_are_none() {
        for methods in ["", "Till", "Till.", ".pay", "Till.p*", "T*.pay", "*.pay", "**"] {
            assert!(Rules::new().allow(methods, ["*"]).is_err(), "{methods}");
            assert!(Rules::new().allow_anybody(methods).is_err(), "{methods}");
        }
        for caller in ["", "spiffe://shop*", "clerk*", "clerk.internal*", "clerk/*", "**"] {
            let error = Rules::new().deny("*", [caller]).unwrap_err().to_string();
            assert!(error.contains("is no pattern: one is a name"), "{error}");
        }
    }
}
