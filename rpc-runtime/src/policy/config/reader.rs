//! Owns [`Reader`]: the walk through the tables of a text, with the line of each mistake. Does not know what the values of
//! policies mean (`values`, `guards`).

use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::policy::config::mistake::{ConfigError, Mistake, unknown};
use crate::policy::settings::{Policies, Policy};

/// What a section may say.
const KEYS: &[&str] =
    &["timeout", "idle_timeout", "total_timeout", "retry", "hedge", "budget", "breaker", "limit", "cache"];
const TOP: &[&str] = &["default", "service"];

/// Reads a text, and notes all that is wrong with it.
pub(super) struct Reader<'t> {
    text: &'t str,
    mistakes: Vec<Mistake>,
}

/// A value and where it stands.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) value: &'a DeValue<'a>,
    /// Its key, with those that it stands below.
    pub(super) key: &'a str,
    pub(super) offset: usize,
}

impl<'t> Reader<'t> {
    /// What `top` makes of the text, if nothing is wrong with it.
    pub(super) fn read<T: Default>(
        text: &'t str,
        top: impl FnOnce(&mut Self, &DeTable<'_>) -> T,
    ) -> Result<T, ConfigError> {
        let mut reader = Self { text, mistakes: Vec::new() };
        let made = match DeTable::parse(text) {
            Ok(table) => top(&mut reader, table.get_ref()),
            Err(error) => {
                let offset = error.span().map_or(0, |span| span.start);
                reader.note("", offset, error.message().to_owned());
                T::default()
            }
        };
        if reader.mistakes.is_empty() { Ok(made) } else { Err(ConfigError::new(reader.mistakes)) }
    }

    pub(super) fn policies(&mut self, table: &DeTable<'_>) -> Policies {
        let mut policies = Policies::new();
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            match (name, value.get_ref().as_table()) {
                ("default", Some(section)) => {
                    policies = policies.everything(self.section(name, section, None))
                }
                ("service", Some(services)) => policies = self.services(services, policies),
                ("default" | "service", None) => {
                    self.note(name, value.span().start, format!("takes a table: `[{name}…]`"));
                }
                _ => self.note(name, key.span().start, unknown(name, TOP)),
            }
        }
        policies
    }

    fn services(&mut self, services: &DeTable<'_>, mut policies: Policies) -> Policies {
        for (key, value) in services {
            let (name, path) = (key.get_ref().as_ref(), format!("service.{}", key.get_ref()));
            let Some(section) = value.get_ref().as_table() else {
                self.note(&path, value.span().start, "a service has a table: `[service.Name]`".to_owned());
                continue;
            };
            let mut methods = Vec::new();
            let policy = self.section(&path, section, Some(&mut methods));
            policies = policies.service(name, policy);
            for (method, section) in methods {
                let policy = self.section(&format!("{path}.{method}"), section, None);
                policies = policies.method(format!("{name}.{method}"), policy);
            }
        }
        policies
    }

    /// What a section says; tables with other names than those of policies are methods, where there may be any.
    fn section<'a>(
        &mut self,
        path: &str,
        section: &'a DeTable<'_>,
        mut methods: Option<&mut Vec<(&'a str, &'a DeTable<'a>)>>,
    ) -> Policy {
        let mut policy = Policy::new();
        for (key, value) in section {
            let name = key.get_ref().as_ref();
            let full = format!("{path}.{name}");
            let at = At { value: value.get_ref(), key: &full, offset: value.span().start };
            match name {
                "timeout" => policy.timeout = self.timeout(at),
                "idle_timeout" => policy.idle_timeout = self.time_or_none(at),
                "total_timeout" => policy.total_timeout = self.time_or_none(at),
                "retry" => policy.retry = self.retry(at),
                "hedge" => policy.hedge = self.hedge(at),
                "budget" => policy.budget = self.budget(at),
                "breaker" => policy.breaker = self.breaker(at).map(|wanted| wanted.map(Arc::new)),
                "limit" => policy.limit = self.limit(at).map(|wanted| wanted.map(Arc::new)),
                #[cfg(feature = "cache")]
                "cache" => policy.cache = self.cache(at).map(|wanted| wanted.map(Arc::new)),
                #[cfg(not(feature = "cache"))]
                "cache" => self.cache(at),
                _ => match (value.get_ref().as_table(), &mut methods) {
                    (Some(method), Some(methods)) => methods.push((name, method)),
                    _ => self.note(&full, key.span().start, unknown(name, KEYS)),
                },
            }
        }
        policy
    }

    /// The entries of a table of settings, each of which is known.
    pub(super) fn entries<'a>(
        &mut self,
        at: At<'a>,
        table: &'a DeTable<'a>,
        valid: &[&str],
    ) -> Vec<(&'a str, &'a Spanned<DeValue<'a>>)> {
        let mut entries = Vec::new();
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            if valid.contains(&name) {
                entries.push((name, value));
            } else {
                self.note(&format!("{}.{name}", at.key), key.span().start, unknown(name, valid));
            }
        }
        entries
    }

    /// Notes a mistake.
    pub(super) fn note(&mut self, key: &str, offset: usize, reason: String) {
        let line = Mistake::line_of(self.text, offset);
        self.mistakes.push(Mistake { line, key: key.to_owned(), reason });
    }
}
