//! Rules of access from TOML, and what is wrong with a text. Does not decide by them (`policy/access`).
//!
//! ```toml
//! [role]                          # who is what, beside what tokens say
//! clerk = ["user:ada", "spiffe://shop/tills/*"]
//!
//! [all]                           # for all methods of all services
//! deny = ["role:suspended"]
//!
//! [service.Till]                  # for all methods of a service
//! allow = ["spiffe://shop/*", "role:clerk"]
//!
//! [service.Till.refund]           # for one
//! allow = ["user:grace"]
//! deny = ["spiffe://shop/basket"]
//!
//! [service.Health.check]
//! allow = "anybody"               # those included who have not proved who they are
//! ```

use std::path::Path;

use toml::de::{DeTable, DeValue};

use crate::policy::access::{ANYBODY, RuleError, Rules};
use crate::policy::config::mistake::{ConfigError, unknown};
use crate::policy::config::reader::{At, Reader};

const TOP: &[&str] = &["role", "all", "service"];
const KEYS: &[&str] = &["allow", "deny"];

impl Rules {
    /// Rules as TOML: docs/SECURITY_GUIDE.md has an example with all keys.
    ///
    /// ```
    /// use traitwire::policy::access::Rules;
    /// let error = Rules::from_toml("[service.Till]\nalow = [\"user:ada\"]").unwrap_err();
    /// assert_eq!(error.to_string(), "line 2: `service.Till.alow`: there is no such key: did you mean `allow`?");
    /// ```
    ///
    /// # Errors
    ///
    /// All that is wrong with the text, each with its line.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        Reader::read(text, Reader::rules)
    }

    /// Rules from a file in TOML.
    ///
    /// # Errors
    ///
    /// As [`from_toml`](Self::from_toml), and if the file cannot be read.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        Self::from_toml(&super::text(path.as_ref())?)
    }
}

/// What a list of callers is for.
type Add<'a> = &'a dyn Fn(Rules, Vec<&str>) -> Result<Rules, RuleError>;

impl Reader<'_> {
    fn rules(&mut self, table: &DeTable<'_>) -> Rules {
        let mut rules = Rules::new();
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            let at = At { value: value.get_ref(), key: name, offset: key.span().start };
            match (name, at.value.as_table()) {
                ("role", Some(roles)) => rules = self.roles(roles, rules),
                ("all", Some(section)) => rules = self.access(at, section, "*", rules),
                ("service", Some(services)) => rules = self.access_of_services(services, rules),
                ("role" | "all" | "service", None) => {
                    self.note(name, value.span().start, format!("takes a table: `[{name}…]`"));
                }
                _ => self.note(name, at.offset, unknown(name, TOP)),
            }
        }
        rules
    }

    fn roles(&mut self, roles: &DeTable<'_>, mut rules: Rules) -> Rules {
        for (key, value) in roles {
            let (role, full) = (key.get_ref().as_ref(), format!("role.{}", key.get_ref()));
            if let Err(error) = Rules::new().role(role, [""; 0]) {
                self.note(&full, key.span().start, error.to_string());
                continue;
            }
            let at = At { value: value.get_ref(), key: &full, offset: value.span().start };
            rules = self.callers(at, rules, &|rules, callers| rules.role(role, callers));
        }
        rules
    }

    fn access_of_services(&mut self, services: &DeTable<'_>, mut rules: Rules) -> Rules {
        for (key, value) in services {
            let (service, full) = (key.get_ref().as_ref(), format!("service.{}", key.get_ref()));
            let at = At { value: value.get_ref(), key: &full, offset: key.span().start };
            let Some(section) = at.value.as_table() else {
                self.note(&full, value.span().start, "a service has a table: `[service.Name]`".to_owned());
                continue;
            };
            rules = self.access(at, section, &format!("{service}.*"), rules);
            for (key, value) in section {
                let (method, full) = (key.get_ref().as_ref(), format!("{full}.{}", key.get_ref()));
                let at = At { value: value.get_ref(), key: &full, offset: key.span().start };
                if let (Some(section), false) = (at.value.as_table(), KEYS.contains(&method)) {
                    rules = self.access(at, section, &format!("{service}.{method}"), rules);
                }
            }
        }
        rules
    }

    /// What a section says of these methods. Tables with other names than its keys are a service's methods.
    fn access(&mut self, at: At<'_>, section: &DeTable<'_>, methods: &str, mut rules: Rules) -> Rules {
        if let Err(error) = Rules::new().allow_anybody(methods) {
            self.note(at.key, at.offset, error.to_string());
            return rules;
        }
        for (key, value) in section {
            let name = key.get_ref().as_ref();
            let full = format!("{}.{name}", at.key);
            let inner = At { value: value.get_ref(), key: &full, offset: value.span().start };
            match name {
                "allow" if inner.value.as_str() == Some(ANYBODY) => {
                    let allowed = rules.allow_anybody(methods);
                    rules = self.taken(inner, allowed);
                }
                "allow" => rules = self.callers(inner, rules, &|rules, who| rules.allow(methods, who)),
                "deny" => rules = self.callers(inner, rules, &|rules, who| rules.deny(methods, who)),
                _ if methods.ends_with(".*") && inner.value.is_table() => {}
                _ => self.note(&full, key.span().start, unknown(name, KEYS)),
            }
        }
        rules
    }

    /// A list of callers, each of which is looked at by itself.
    fn callers(&mut self, at: At<'_>, rules: Rules, add: Add<'_>) -> Rules {
        let Some(list) = at.value.as_array() else {
            let or_anybody = if at.key.ends_with(".allow") { ", or \"anybody\"" } else { "" };
            let reason =
                format!("takes a list of callers, such as [\"spiffe://shop/*\", \"user:ada\"]{or_anybody}");
            self.note(at.key, at.offset, reason);
            return rules;
        };
        let mut callers = Vec::new();
        for caller in list {
            let offset = caller.span().start;
            let checked = match caller.get_ref() {
                DeValue::String(who) => add(Rules::new(), vec![who]).map(|_| callers.push(&**who)),
                _ => {
                    self.note(at.key, offset, "a caller is a text, in quotes".to_owned());
                    continue;
                }
            };
            if let Err(error) = checked {
                self.note(at.key, offset, error.to_string());
            }
        }
        self.taken(at, add(rules, callers))
    }

    /// The rules, if they are some.
    fn taken(&mut self, at: At<'_>, rules: Result<Rules, RuleError>) -> Rules {
        rules.unwrap_or_else(|error| {
            self.note(at.key, at.offset, error.to_string());
            Rules::new()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
        [role]
        clerk = ["user:ada", "spiffe://shop/tills/*"]

        [all]
        deny = ["role:suspended"]

        [service.Till]
        allow = ["spiffe://shop/*", "role:clerk"]

        [service.Till.refund]
        allow = ["user:grace"]
        deny = ["spiffe://shop/basket"]

        [service."acme.Health".check]
        allow = "anybody"
    "#;

    #[test]
    fn a_text_says_what_code_can_say_and_prints_as_it_reads() {
        let rules = Rules::new()
            .role("clerk", ["user:ada", "spiffe://shop/tills/*"])
            .and_then(|rules| rules.deny("*", ["role:suspended"]))
            .and_then(|rules| rules.allow("Till.*", ["spiffe://shop/*", "role:clerk"]))
            .and_then(|rules| rules.allow("Till.refund", ["user:grace"]))
            .and_then(|rules| rules.deny("Till.refund", ["spiffe://shop/basket"]))
            .and_then(|rules| rules.allow_anybody("acme.Health.check"))
            .unwrap();
        let read = Rules::from_toml(TEXT).unwrap();
        assert_eq!(read.to_string(), rules.to_string());
        assert_eq!(Rules::from_toml(&read.to_string()).unwrap().to_string(), read.to_string());
        let lines = |text: &str| text.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>();
        let (mut told, mut written) = (lines(&read.to_string()), lines(TEXT));
        for lines in [&mut told, &mut written] {
            lines.retain(|line| !line.is_empty());
            lines.sort_unstable();
        }
        assert_eq!(told, written);
        assert_eq!(Rules::from_toml("").unwrap(), Rules::new());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_what_would_be_right() {
        for (text, expected) in [
            ("[rol]\nclerk = []", "line 1: `rol`: there is no such key: did you mean `role`?"),
            ("[all]\n\nalow = []", "line 3: `all.alow`: there is no such key: did you mean `allow`?"),
            (
                "[service.Till.pay]\ndenny = []",
                "line 2: `service.Till.pay.denny`: there is no such key: did you mean `deny`?",
            ),
            (
                "[service.Till.pay.now]\nallow = []",
                "line 1: `service.Till.pay.now`: there is no such key: there are `allow`, `deny`",
            ),
            ("[service]\nTill = 3", "line 2: `service.Till`: a service has a table"),
            (
                "[service.\"T*\"]\nallow = []",
                "line 1: `service.T*`: `T*.*` is no pattern: one is `Service.method`",
            ),
            (
                "[service.Till]\nallow = \"everybody\"",
                "line 2: `service.Till.allow`: takes a list of callers",
            ),
            (
                "[service.Till]\nallow = [\n\"a\",\n7]",
                "line 4: `service.Till.allow`: a caller is a text, in quotes",
            ),
            (
                "[service.Till]\nallow = [\n\"a\",\n\"b*\"]",
                "line 4: `service.Till.allow`: `b*` is no pattern: one is a name",
            ),
            ("[service.Till]\ndeny = \"anybody\"", "line 2: `service.Till.deny`: takes a list of callers"),
            (
                "[role]\nboss = [\"role:clerk\"]",
                "line 2: `role.boss`: `role:clerk` is no pattern: one is a name",
            ),
            (
                "[role]\n\"two words\" = []",
                "line 2: `role.two words`: `two words` is no pattern: one is a word",
            ),
            ("role = 3", "line 1: `role`: takes a table"),
            ("[all]\nallow = \n", "line 2: "),
        ] {
            let error = Rules::from_toml(text).unwrap_err();
            assert!(error.to_string().starts_with(expected), "{error}\n{expected}");
            assert_eq!(error.mistakes().len(), 1, "{error}");
        }
        let two = Rules::from_toml("[all]\nallow = [\"a*\"]\ndeny = 5\n").unwrap_err();
        assert_eq!(two.mistakes().len(), 2, "{two}");
        let error = Rules::load("/nowhere/access.toml").unwrap_err();
        assert!(error.to_string().starts_with("/nowhere/access.toml cannot be read: "), "{error}");
    }
}
