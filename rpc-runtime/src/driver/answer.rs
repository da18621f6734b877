//! Owns how handlers answer: a result becomes what the machine writes, and their streams are opened and ended. Does not
//! run them (`work`).

use std::time::Instant;

use crate::call::{CallResult, Metadata, RpcError};
use crate::driver::clock;
use crate::driver::core::Core;
use crate::driver::shared::Shared;
use crate::proto::{Answer, CallId, CallRef};

impl Shared {
    /// Answers a call.
    pub(super) fn answer(&self, id: CallId, answer: Answer) {
        self.with(|core| {
            core.handler_over(id);
            core.machine.answer(id, answer, clock::now());
        });
        self.task.wake();
    }

    /// Answers calls, for the connection's task.
    pub(super) fn answer_all(&self, answers: &mut Vec<(CallId, Answer)>, now: Instant) {
        self.with(|core| {
            answers.iter().for_each(|(id, _)| core.handler_over(*id));
            core.machine.answer_all(answers.drain(..), now);
        });
    }

    /// A handler that was to be stopped is gone.
    pub(super) fn stopped(&self, id: CallId) {
        self.with(|core| {
            core.handler_over(id);
            core.machine.stopped(id, clock::now());
        });
        self.task.wake();
    }

    /// Announces the stream that a handler has returned.
    pub(super) fn open_stream(&self, id: CallId, metadata: &Metadata) {
        self.with(|core| core.machine.open_stream(id, metadata, clock::now()));
        self.task.wake();
    }
}

impl Core {
    fn handler_over(&mut self, id: CallId) {
        // Most handlers never become tasks, and hashing is not free.
        if !self.running.is_empty() {
            self.running.remove(&id);
        }
        self.stream_over(CallRef::Peer(id));
    }
}

/// What is answered at the end of a call's stream.
pub(super) fn into_end(result: CallResult, metadata: Metadata) -> Answer {
    match into_answer(result, metadata) {
        Answer::Reply { metadata, .. } => Answer::End { metadata },
        other => other,
    }
}

/// What is answered to a call.
pub(super) fn into_answer(result: CallResult, mut metadata: Metadata) -> Answer {
    match result {
        // Its source may hold anything, a request of this connection too: it must not be dropped under the lock.
        Err(error) => Answer::Error(with_metadata(error.without_source(), &metadata)),
        Ok(response) => {
            let (body, is_app_error, own) = response.into_parts();
            if metadata.is_empty() {
                metadata = own;
            } else {
                for entry in own.iter() {
                    metadata.put(entry.clone());
                }
            }
            let payload = body.into_load();
            match is_app_error {
                true => Answer::App { metadata, detail: payload },
                false => Answer::Reply { metadata, payload },
            }
        }
    }
}

fn with_metadata(error: RpcError, metadata: &Metadata) -> RpcError {
    if metadata.is_empty() {
        return error;
    }
    let mut all = metadata.clone();
    for entry in error.metadata().iter() {
        all.put(entry.clone());
    }
    error.with_metadata(all)
}
