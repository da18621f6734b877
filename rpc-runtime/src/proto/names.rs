//! Owns the numbers that stand for method names, each way. Does not know what a method is.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use crate::limits;
use crate::proto::Misbehaviour;
use crate::wire::{Method, Name};

/// The names that this side has bound.
#[derive(Debug, Default)]
pub(super) struct NamesOut {
    // keyed look-up only
    numbers: HashMap<Cow<'static, str>, u32>,
    /// The one that was asked for last, since calls of one method come together.
    last: Option<(Cow<'static, str>, u32)>,
    /// How many the peer keeps; 0 until its HELLO is here.
    allowed: u32,
}

impl NamesOut {
    pub(super) fn allow(&mut self, allowed: u32) {
        self.allowed = allowed;
    }

    /// How a CALL names the method, after a NAME frame if this is its first use.
    #[expect(clippy::ptr_arg, reason = "a name of a static trait is kept without a copy")]
    #[inline]
    pub(super) fn method<'a>(&mut self, name: &'a Cow<'static, str>, out: &mut Vec<u8>) -> Method<'a> {
        if let Some((last, number)) = &self.last
            && last == name
        {
            return Method::Bound(*number);
        }
        if let Some(&number) = self.numbers.get(name) {
            self.last = Some((name.clone(), number));
            return Method::Bound(number);
        }
        let number = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
        // Past what the peer keeps, and past what any trait has, names go as they are.
        if number >= self.allowed.min(limits::NAMES) {
            return Method::Text(name);
        }
        Name { number, name }.write(out);
        self.numbers.insert(name.clone(), number);
        Method::Bound(number)
    }
}

/// The names that the peer has bound; their numbers count up from 0.
#[derive(Debug, Default)]
pub(super) struct NamesIn {
    names: Vec<Arc<str>>,
}

impl NamesIn {
    pub(super) fn bind(&mut self, name: Name<'_>, allowed: u32) -> Result<(), Misbehaviour> {
        let due = self.names.len();
        if due >= allowed as usize {
            return Err(Misbehaviour::TooManyNames { limit: allowed });
        }
        if name.number as usize != due {
            return Err(Misbehaviour::NameOutOfOrder { got: name.number, due: due as u32 });
        }
        if name.name.len() > limits::METHOD_NAME {
            return Err(Misbehaviour::NameTooLong { got: name.name.len() });
        }
        self.names.push(name.name.into());
        Ok(())
    }

    pub(super) fn get(&self, number: u32) -> Result<&Arc<str>, Misbehaviour> {
        self.names.get(number as usize).ok_or(Misbehaviour::UnboundName { got: number })
    }
}
