//! Owns how input is taken apart: the handshake, whole frames, and unfinished ones whose payload is taken as it comes. What
//! a frame does is in `inbound` and `outbound`.

use std::time::Instant;

use super::Connection;
use crate::proto::event::Event;
use crate::proto::handshake::Progressed;
use crate::proto::phase::Phase;
use crate::proto::stream::Run;
use crate::proto::tools::Tools;
use crate::proto::unfinished::Unfinished;
use crate::proto::{ConnectionError, Misbehaviour};
use crate::wire::{self, Flags, Goaway, Header, Kind, Name, RawFrame};

impl Connection {
    /// Takes the handshake or a frame from the front of the input; 0 if it is not all there.
    pub(super) fn handle_front(&mut self, input: &[u8], now: Instant) -> Result<usize, ConnectionError> {
        if !self.handshake.is_done() {
            return match self.handshake.handle(input)? {
                Progressed::Waiting => Ok(0),
                Progressed::Read(bytes) => Ok(bytes),
                Progressed::Hello(hello, bytes) => {
                    self.phase = Phase::Open;
                    self.events.push_back(Event::Ready((*hello).clone()));
                    self.outbound.handle_hello(*hello, &mut tools!(self, now));
                    Ok(bytes)
                }
            };
        }
        if let Some(frame) = self.unfinished.take() {
            return self.handle_more(frame, input, now);
        }
        let Some(RawFrame { header, body, size }) = wire::split_begun(input)? else { return Ok(0) };
        if size <= input.len() {
            if let Some(header) =
                header.filter(|header| header.kind == Kind::Item && header.flags == Flags::NONE)
                && let Some(Run { bytes, items, .. }) = self.handle_items(header, input, now)
            {
                self.vain.forgive(items);
                return Ok(bytes);
            }
            self.handle_frame(header, body, now)?;
            return Ok(size);
        }
        match header.filter(|&header| !body.is_empty() && self.goes_on(header)) {
            None => Ok(0),
            Some(header) => {
                let before = input.len() - body.len();
                let frame = Unfinished::new(header, size - before);
                Ok(before + self.handle_more(frame, body, now)?)
            }
        }
    }

    /// Takes what is here of an unfinished frame.
    fn handle_more(
        &mut self,
        mut frame: Unfinished,
        input: &[u8],
        now: Instant,
    ) -> Result<usize, ConnectionError> {
        let part = frame.take(input);
        if let Some((header, part)) = part {
            self.handle_frame(Some(header), part, now)?;
        }
        self.unfinished = Some(frame).filter(|frame| !frame.is_finished());
        Ok(part.map_or(0, |(_, part)| part.len()))
    }

    /// Whether a frame with this header goes on with a payload that has begun, so that its body is nothing but bytes.
    fn goes_on(&mut self, header: Header) -> bool {
        let Header { kind, flags, id } = header;
        let own = self.side.owns(id);
        match kind {
            Kind::Call => !own && self.inbound.is_assembling(id),
            Kind::Reply => own && self.outbound.is_assembling(id),
            Kind::Error if flags.has(Flags::APP) => own && self.outbound.is_assembling(id),
            Kind::Item if flags.has(Flags::OPEN) => false,
            Kind::Item if own => self.outbound.is_assembling_item(id),
            Kind::Item => self.inbound.is_assembling_item(id),
            _ => false,
        }
    }

    /// Whether a frame with this header can change anything beside being answered.
    fn moves_something(&mut self, header: Header) -> bool {
        let Header { kind, id, .. } = header;
        match kind {
            Kind::Ping | Kind::Pong | Kind::Goaway => false,
            Kind::Cancel | Kind::Credit if self.side.owns(id) => self.outbound.is_open(id),
            Kind::Cancel | Kind::Credit => self.inbound.is_open(id),
            _ => true,
        }
    }

    fn handle_frame(
        &mut self,
        header: Option<Header>,
        body: &[u8],
        now: Instant,
    ) -> Result<(), ConnectionError> {
        let Some(header) = header else { return Ok(self.vain.count(now)?) };
        let id = header.id;
        let own = self.side.owns(id);
        if self.moves_something(header) {
            self.vain.forgive(1);
        } else {
            self.vain.count(now)?;
        }
        let wrong_side = Err(Misbehaviour::WrongSide { id }.into());
        match header.kind {
            Kind::Hello => Err(Misbehaviour::SecondHello.into()),
            Kind::Name => self.inbound.handle_name(Name::read(body)?, &mut tools!(self, now)),
            Kind::Call | Kind::Cancel if own => wrong_side,
            Kind::Call => self.inbound.handle_call(header, body, &mut tools!(self, now)),
            Kind::Cancel => self.inbound.handle_cancel(id, &mut tools!(self, now)),
            Kind::Reply | Kind::Error if !own => wrong_side,
            Kind::Reply | Kind::Error => self.outbound.handle_answer(header, body, &mut tools!(self, now)),
            Kind::Item | Kind::End => self.handle_stream_frame(header, body, now),
            Kind::Credit => self.handle_credit(id, wire::read_number(body)?, now),
            Kind::Ping => Ok(self.output.pong(wire::read_number(body)?)?),
            // Any bytes are a sign of life; the number is for those who measure.
            Kind::Pong => wire::read_number(body).map(drop).map_err(Into::into),
            Kind::Goaway => self.handle_goaway(Goaway::read(body)?, now),
        }
    }
}
