//! Owns [`Tools`]: the parts of a connection that moving a call needs, beside the one that is being moved. Decides
//! nothing.

use std::collections::VecDeque;
use std::time::Instant;

use crate::call::{Delivery, put_buffer};
use crate::proto::Config;
use crate::proto::assembly::Budget;
use crate::proto::event::{Body, Event, Refusal};
use crate::proto::output::Output;
use crate::proto::stream::{Receiving, Spare};

/// What the sub-machines lend while a call is moved.
#[derive(Debug)]
pub(super) struct Tools<'a> {
    pub(super) config: &'a Config,
    pub(super) output: &'a mut Output,
    pub(super) budget: &'a mut Budget,
    pub(super) spare: &'a mut Spare,
    pub(super) events: &'a mut VecDeque<Event>,
    pub(super) now: Instant,
}

impl Tools<'_> {
    /// Takes a payload back: its buffer for the next one, and what it held of the budget.
    pub(super) fn release(&mut self, body: Body) {
        if body.reserved() > 0 {
            self.budget.release(body.id, body.reserved());
        }
        put_buffer(body.bytes);
    }

    /// Lets as many items come on this stream as may come now.
    pub(super) fn grant(&mut self, id: u32, input: &mut Receiving) {
        if let Some(amount) = input.grant(self.spare) {
            self.output.credit(id, amount);
        }
    }

    /// Counts a call that no handler was started for.
    pub(super) fn refused(&mut self, why: Refusal) -> Delivery {
        self.events.push_back(Event::Refused(why));
        Delivery::Refused
    }
}
