//! Owns how [`Rules`] print: as the TOML that says the same. Does not read it (`policy/config`).

use std::collections::BTreeMap;
use std::fmt;

use crate::policy::access::pattern::{Callers, Who};
use crate::policy::access::rules::{ANYBODY, Rules};
use crate::policy::written::{Key, Quoted};

/// What is said about some methods.
#[derive(Default)]
struct Said<'a> {
    anybody: bool,
    allow: Vec<&'a Who>,
    deny: Vec<&'a Who>,
}

impl fmt::Display for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut between = "";
        let mut roles: BTreeMap<&str, Vec<&Who>> = BTreeMap::new();
        for (role, callers) in &self.roles {
            roles.entry(role).or_default().extend(callers);
        }
        if !roles.is_empty() {
            writeln!(f, "[role]")?;
            between = "\n";
        }
        for (role, callers) in roles {
            writeln!(f, "{} = {}", Key(role), List(&callers))?;
        }
        let mut said: BTreeMap<&str, Said<'_>> = BTreeMap::new();
        for rule in &self.rules {
            let said = said.entry(rule.methods.text()).or_default();
            match (&rule.callers, rule.allows) {
                (Callers::Anybody, _) => said.anybody = true,
                (Callers::Some(callers), true) => said.allow.extend(callers),
                (Callers::Some(callers), false) => said.deny.extend(callers),
            }
        }
        for (methods, said) in said {
            f.write_str(between)?;
            between = "\n";
            match methods.rsplit_once('.') {
                None => writeln!(f, "[all]")?,
                Some((service, "*")) => writeln!(f, "[service.{}]", Key(service))?,
                Some((service, method)) => writeln!(f, "[service.{}.{}]", Key(service), Key(method))?,
            }
            if said.anybody {
                writeln!(f, "allow = \"{ANYBODY}\"")?;
            } else if !said.allow.is_empty() {
                writeln!(f, "allow = {}", List(&said.allow))?;
            }
            if !said.deny.is_empty() {
                writeln!(f, "deny = {}", List(&said.deny))?;
            }
        }
        Ok(())
    }
}

struct List<'a>(&'a [&'a Who]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<_> = self.0.iter().map(|who| Quoted(who.text()).to_string()).collect();
        write!(f, "[{}]", texts.join(", "))
    }
}
