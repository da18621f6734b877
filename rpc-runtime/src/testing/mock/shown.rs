//! Owns how arguments look to people: what their message holds, as text. Does not know their types.

use std::fmt::{self, Write};

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::codec::{ScanLimits, decode};

/// Elements of a sequence that are shown; what is behind them is counted.
const ELEMENTS: usize = 16;

/// A call's arguments: `2, "three", [4]`.
pub(super) fn arguments(bytes: &[u8]) -> String {
    match decode::<Shown>(bytes, &ScanLimits::for_body(bytes.len())) {
        // An array, whose brackets are those of the call.
        Ok(Shown(text)) => {
            text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(&text).to_owned()
        }
        Err(error) => format!("arguments that do not decode: {error}"),
    }
}

struct Shown(String);

impl<'de> Deserialize<'de> for Shown {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Show)
    }
}

struct Show;

/// Values that are shown as `Debug` shows them.
macro_rules! debug {
    ($($method:ident: $type:ty),*) => {$(
        fn $method<E>(self, value: $type) -> Result<Shown, E> {
            Ok(Shown(format!("{value:?}")))
        }
    )*};
}

impl<'de> Visitor<'de> for Show {
    type Value = Shown;

    debug!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_i128: i128, visit_u128: u128);
    debug!(visit_f64: f64, visit_str: &str);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Shown, E> {
        Ok(Shown("nil".to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Shown, A::Error> {
        let (mut text, mut count) = ("[".to_owned(), 0);
        while let Some(Shown(element)) = elements.next_element()? {
            if count < ELEMENTS {
                text.push_str(if count == 0 { "" } else { ", " });
                text.push_str(&element);
            }
            count += 1;
        }
        if count > ELEMENTS {
            // Writing to a string does not fail.
            let _ = write!(text, ", … {count} in all");
        }
        text.push(']');
        Ok(Shown(text))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Shown, A::Error> {
        let mut text = "{".to_owned();
        while let Some((Shown(key), Shown(value))) = entries.next_entry()? {
            text.push_str(if text.len() == 1 { "" } else { ", " });
            let _ = write!(text, "{}: {value}", key.trim_matches('"'));
        }
        text.push('}');
        Ok(Shown(text))
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::*;
    use crate::codec::encode;

    #[derive(Serialize)]
    struct Place {
        x: i8,
        name: Option<&'static str>,
    }

    #[test]
    fn arguments_look_as_they_are_written() {
        let shown = |value: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = Vec::new();
            value(&mut bytes);
            arguments(&bytes)
        };
        let place = Place { x: -1, name: None };
        assert_eq!(
            shown(&|out| encode(&(2, "a \"b\"", true, 0.5), out).unwrap()),
            r#"2, "a \"b\"", true, 0.5"#
        );
        assert_eq!(shown(&|out| encode(&(&place, [1_u8, 2]), out).unwrap()), "{x: -1, name: nil}, [1, 2]");
        let many = shown(&|out| encode(&(vec![0_u16; 300],), out).unwrap());
        assert!(many.starts_with("[0, 0,") && many.ends_with(", … 300 in all]"), "{many}");
        assert_eq!(shown(&|out| encode::<[(); 0]>(&[], out).unwrap()), "");
        assert_eq!(arguments(&[0xc1]).split(':').next(), Some("arguments that do not decode"));
    }
}
