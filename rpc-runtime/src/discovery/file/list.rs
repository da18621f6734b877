//! Owns [`read`]: the endpoints that a text in TOML says, or all that is wrong with it, each with its line and key. Does not read
//! files.
//!
//! ```toml
//! endpoints = [
//!     "10.0.0.7:7000",                                         # as text, as in an address
//!     "tls://calc.internal:7000?weight=50&zone=east",
//!     { address = "10.0.0.9:7000", weight = 50, zone = "east", version = "1.2", tags = { disk = "fast" } },
//! ]
//! ```
//!
//! The tables may stand below each other too, each under `[[endpoints]]`.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::discovery::Endpoint;
use crate::limits;
use crate::policy::{ConfigError, Mistake, unknown};

const KEYS: &[&str] = &["address", "weight", "zone", "version", "tags"];

/// The endpoints of a text.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Endpoint>, ConfigError> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let line = 1 + bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
            let mistake = Mistake { line, key: String::new(), reason: "it is no text".to_owned() };
            return Err(ConfigError::new(vec![mistake]));
        }
    };
    let mut reader = Reader { text, mistakes: Vec::new() };
    let endpoints = match DeTable::parse(text) {
        Ok(table) => reader.top(table.get_ref()),
        Err(error) => {
            let offset = error.span().map_or(0, |span| span.start);
            reader.note("", offset, error.message().to_owned());
            Vec::new()
        }
    };
    if reader.mistakes.is_empty() { Ok(endpoints) } else { Err(ConfigError::new(reader.mistakes)) }
}

struct Reader<'t> {
    text: &'t str,
    mistakes: Vec<Mistake>,
}

impl Reader<'_> {
    fn top(&mut self, table: &DeTable<'_>) -> Vec<Endpoint> {
        let (mut endpoints, mut is_said) = (Vec::new(), false);
        for (key, value) in table {
            match (key.get_ref().as_ref(), value.get_ref().as_array()) {
                ("endpoints", Some(array)) => {
                    is_said = true;
                    let read = array.iter().enumerate().filter_map(|(at, value)| self.endpoint(at, value));
                    endpoints.extend(read);
                }
                ("endpoints", None) => {
                    self.note(
                        "endpoints",
                        value.span().start,
                        "takes a list: `[\"10.0.0.7:7000\"]`".to_owned(),
                    );
                }
                (other, _) => self.note(other, key.span().start, unknown(other, &["endpoints"])),
            }
        }
        if !is_said && self.mistakes.is_empty() {
            // A file that was emptied is one that is being written.
            self.note("endpoints", self.text.len(), "is missing; write `endpoints = []` for none".to_owned());
        }
        endpoints
    }

    fn endpoint(&mut self, at: usize, value: &Spanned<DeValue<'_>>) -> Option<Endpoint> {
        let (key, offset) = (format!("endpoints[{at}]"), value.span().start);
        let parsed = match value.get_ref() {
            DeValue::String(text) => text.parse::<Endpoint>(),
            DeValue::Table(table) => return self.table(&key, offset, table),
            _ => {
                self.note(&key, offset, "takes an address, or a table with one".to_owned());
                return None;
            }
        };
        parsed.map_err(|error| self.note(&key, offset, error.to_string())).ok()
    }

    fn table(&mut self, key: &str, offset: usize, table: &DeTable<'_>) -> Option<Endpoint> {
        let address = table.get("address").map(|value| (value.get_ref().as_str(), value.span().start));
        let Some((Some(address), address_at)) = address else {
            self.note(
                &format!("{key}.address"),
                offset,
                "is missing: `address = \"10.0.0.7:7000\"`".to_owned(),
            );
            return None;
        };
        let mut endpoint = Endpoint::new(address)
            .map_err(|error| self.note(&format!("{key}.address"), address_at, error.to_string()))
            .ok()?;
        for (name, value) in table {
            let (name, at) = (name.get_ref().as_ref(), (name.span().start, value.span().start));
            let full = format!("{key}.{name}");
            let text = value.get_ref().as_str();
            match name {
                "address" => {}
                "weight" => match weight(value.get_ref()) {
                    Some(weight) => endpoint = endpoint.with_weight(weight),
                    None => {
                        let takes = format!("takes a whole number from 0 to {}", limits::WEIGHT_MOST);
                        self.note(&full, at.1, takes);
                    }
                },
                "zone" | "version" if text.is_none() => self.note(&full, at.1, "takes a text".to_owned()),
                "zone" => endpoint = endpoint.with_zone(text?),
                "version" => endpoint = endpoint.with_version(text?),
                "tags" => endpoint = self.tags(&full, value, endpoint),
                _ => self.note(&full, at.0, unknown(name, KEYS)),
            }
        }
        Some(endpoint)
    }

    fn tags(&mut self, key: &str, value: &Spanned<DeValue<'_>>, mut endpoint: Endpoint) -> Endpoint {
        let Some(tags) = value.get_ref().as_table() else {
            self.note(key, value.span().start, "takes a table: `{ disk = \"fast\" }`".to_owned());
            return endpoint;
        };
        for (tag, value) in tags {
            match value.get_ref().as_str() {
                Some(text) => endpoint = endpoint.with_tag(tag.get_ref(), text),
                None => {
                    let full = format!("{key}.{}", tag.get_ref());
                    self.note(&full, value.span().start, "takes a text".to_owned());
                }
            }
        }
        endpoint
    }

    fn note(&mut self, key: &str, offset: usize, reason: String) {
        let line = Mistake::line_of(self.text, offset);
        self.mistakes.push(Mistake { line, key: key.to_owned(), reason });
    }
}

fn weight(value: &DeValue<'_>) -> Option<u32> {
    let DeValue::Integer(integer) = value else { return None };
    let weight = u32::from_str_radix(&integer.as_str().replace('_', ""), integer.radix()).ok()?;
    (weight <= limits::WEIGHT_MOST).then_some(weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_texts_and_tables() {
        let text = r#"
            endpoints = ["a:1", { address = "tls://b:2", weight = 1_0, zone = "x", version = "v", tags = { k = "w" } }]
        "#;
        let expected = Endpoint::new("tls://b:2").unwrap().with_weight(10).with_zone("x").with_version("v");
        assert_eq!(
            read(text.as_bytes()).unwrap(),
            [Endpoint::new("a:1").unwrap(), expected.with_tag("k", "w")]
        );
        let below = "[[endpoints]]\naddress = 'a:1'\n[[endpoints]]\naddress = 'b:2'\nweight = 0x10\n";
        assert_eq!(read(below.as_bytes()).unwrap()[1].weight(), 16);
        assert!(read(b"endpoints = []").unwrap().is_empty());
    }

    #[test]
    fn all_that_is_wrong_is_told_with_line_and_key() {
        let text = "endpionts = []\nendpoints = [\n 7,\n \"b\",\n { weight = 1 },\n { address = \"c:3\", \
                    wieght = 1, weight = 65536, zone = 1 },\n { address = \"d:4\", tags = 1 },\n { address = 'e 5' }]";
        let told = read(text.as_bytes()).unwrap_err().to_string();
        let lines: Vec<_> = told.lines().collect();
        let expected = [
            "line 1: `endpionts`: there is no such key: did you mean `endpoints`?",
            "line 3: `endpoints[0]`: takes an address, or a table with one",
            "line 4: `endpoints[1]`: `b` is not the address of a server",
            "line 5: `endpoints[2].address`: is missing",
            "line 6: `endpoints[3].weight`: takes a whole number from 0 to 65535",
            "line 6: `endpoints[3].wieght`: there is no such key: did you mean `weight`?",
            "line 6: `endpoints[3].zone`: takes a text",
            "line 7: `endpoints[4].tags`: takes a table",
            "line 8: `endpoints[5].address`: `e 5` is not the address of a server: it has a space in it",
        ];
        assert_eq!(lines.len(), expected.len(), "{told}");
        for (line, expected) in lines.iter().zip(expected) {
            assert!(line.starts_with(expected), "{line}\n{expected}");
        }
        assert!(read(b"").unwrap_err().to_string().contains("`endpoints`: is missing"));
        assert_eq!(read(b"# one\n\xff").unwrap_err().to_string(), "line 2: it is no text");
    }
}
