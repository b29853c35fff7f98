//! The frames of calls, as they come in.

use crate::{
    core::{read_reason, Core, Head, Side, Stream, MAX_STREAM},
    frame::{self, Frame},
    hello::{Key, CAN_PROTOBUF},
    incoming::{Inbox, Message, Totals},
    metadata::{read_block, Status},
    outgoing::FRAME_COST,
    state::{Event, State},
    wire::{ensure, Reader, Violation, RESOURCE_EXHAUSTED, UNIMPLEMENTED},
};

impl Core {
    /// A call from the start, for either side.
    pub(crate) fn add_stream(&mut self, id: u32, head: Head, state: State) {
        let totals = Totals::new(self.ours.settings[Key::StreamWindow]);
        let inbox = Inbox::default();
        let (initial, status, is_unprocessed, has_compressed) = (None, None, false, false);
        let stream = Stream { head, state, initial, inbox, totals, status, is_unprocessed, has_compressed };
        self.streams.insert(id, stream);
        self.outgoing.open(id);
        self.last_opened = id;
    }

    pub(crate) fn receive_open(&mut self, frame: Frame) -> Result<(), Violation> {
        let id = frame.stream;
        ensure(id > self.last_opened && id <= MAX_STREAM, format!("stream {id} after {}", self.last_opened))?;
        let mut fields = Reader::new(&frame.payload);
        let (method, timeout) = (fields.u16()?, fields.i64()?);
        let timeout_us = u64::try_from(timeout).ok().filter(|&timeout| timeout < 1_000_000_000_000_000);
        ensure(timeout >= -1, format!("a timeout of {timeout}"))?;
        ensure(usize::from(method) < self.ours.methods.len(), format!("there is no method {method}"))?;
        let is_protobuf = frame.has(frame::PROTOBUF);
        let mut head = Head { method, timeout_us, is_protobuf, ..Head::default() };
        if frame.has(frame::METADATA) {
            head.metadata = read_block(&mut fields, self.ours.settings[Key::MaxMetadataBytes])?;
        }
        let message = frame.has(frame::WITH_MESSAGE).then(|| fields.take_rest().to_vec());
        fields.end()?;
        if self.we_leave.is_some() {
            self.last_opened = id;
            return Ok(());
        }
        let is_over = self.open_calls() as u64 >= self.ours.settings[Key::MaxStreams];
        self.add_stream(id, head, if frame.has(frame::END) { State::HalfClosed } else { State::Open });
        if is_over {
            self.reset(id, RESOURCE_EXHAUSTED, "too many calls", frame::UNPROCESSED);
        } else if is_protobuf && !self.is_protobuf_possible() {
            self.finish(id, &Status::new(UNIMPLEMENTED, "protobuf is not spoken here"), None);
        } else {
            message.into_iter().for_each(|bytes| self.put_free(id, bytes, frame.has(frame::COMPRESSED)));
            self.accepted.push_back(id);
        }
        Ok(())
    }

    /// Whether both sides have the ability.
    pub fn is_protobuf_possible(&self) -> bool {
        let both = self.ours.settings[Key::Features] & self.theirs.settings[Key::Features];
        both & CAN_PROTOBUF != 0
    }

    /// A message that came in OPEN or STATUS.
    fn put_free(&mut self, id: u32, bytes: Vec<u8>, is_compressed: bool) {
        let stream = self.streams.get_mut(&id).expect("it is open");
        stream.has_compressed |= is_compressed;
        stream.inbox.complete.push_back(Message { bytes, is_compressed, cost: 0 });
    }

    pub(crate) fn receive_on_stream(&mut self, frame: Frame) -> Result<(), Violation> {
        let id = frame.stream;
        ensure(id != 0 && id <= self.last_opened, format!("stream {id} was never opened"))?;
        let is_open = self.streams.get(&id).is_some_and(|stream| stream.state != State::Closed);
        if frame.kind == frame::MESSAGE {
            self.totals.receive(frame.payload.len() as u64 + FRAME_COST)?;
        }
        match (frame.kind, is_open) {
            (frame::MESSAGE, false) => self.totals.consume(frame.payload.len() as u64 + FRAME_COST),
            (_, false) => {}
            (frame::MESSAGE, _) => self.receive_message(frame)?,
            (frame::HEADERS, _) => self.receive_headers(&frame)?,
            (frame::HALF_CLOSE, _) => {
                ensure(self.side == Side::Server, "a server half-closes")?;
                ensure(frame.payload.is_empty(), "a half-close with a payload")?;
                self.receive_end(id)?;
            }
            (frame::STATUS, _) => self.receive_status(frame)?,
            _ => self.receive_reset(&frame)?,
        }
        Ok(())
    }

    fn receive_headers(&mut self, frame: &Frame) -> Result<(), Violation> {
        ensure(self.side == Side::Client, "a client sends headers")?;
        self.step(frame.stream, Event::ServerHeaders)?;
        let mut fields = Reader::new(&frame.payload);
        let metadata = read_block(&mut fields, self.ours.settings[Key::MaxMetadataBytes])?;
        fields.end()?;
        self.streams.get_mut(&frame.stream).expect("it is open").initial = Some(metadata);
        Ok(())
    }

    fn receive_message(&mut self, frame: Frame) -> Result<(), Violation> {
        let (id, is_client) = (frame.stream, self.side == Side::Client);
        ensure(!is_client || !frame.has(frame::END), "a server ends a message with END")?;
        self.step(id, if is_client { Event::ServerMessage } else { Event::ClientMessage })?;
        let max_bytes = self.ours.settings[Key::MaxMessageBytes];
        let stream = self.streams.get_mut(&id).expect("it is open");
        stream.totals.receive(frame.payload.len() as u64 + FRAME_COST)?;
        stream.initial.get_or_insert_with(Vec::new);
        stream.has_compressed |= frame.has(frame::COMPRESSED);
        let is_next = stream.inbox.partial.is_some();
        ensure(!is_next || !frame.has(frame::COMPRESSED), "COMPRESSED within a message")?;
        ensure(!frame.payload.is_empty() || !(is_next || frame.has(frame::MORE)), "an empty part of a message")?;
        let size = stream.inbox.partial_bytes() + frame.payload.len();
        self.begun += 1;
        let has_more = frame.has(frame::MORE);
        let at_once = stream.inbox.add(&frame.payload, frame.has(frame::COMPRESSED), has_more, self.begun);
        stream.totals.consume(at_once);
        self.totals.consume(at_once);
        if size as u64 > max_bytes {
            let text = format!("a message is over the limit of {max_bytes}");
            self.reset(id, RESOURCE_EXHAUSTED, &text, 0);
            self.streams.get_mut(&id).expect("it was open").status = Some(Status::new(RESOURCE_EXHAUSTED, text));
        } else if frame.has(frame::END) {
            self.receive_end(id)?;
        }
        Ok(())
    }

    fn receive_end(&mut self, id: u32) -> Result<(), Violation> {
        ensure(self.streams[&id].inbox.partial.is_none(), "a half-close within a message")?;
        self.step(id, Event::ClientEnd).map(drop)
    }

    fn receive_status(&mut self, frame: Frame) -> Result<(), Violation> {
        ensure(self.side == Side::Client, "a client sends a status")?;
        let id = frame.stream;
        self.step(id, Event::ServerStatus)?;
        let mut fields = Reader::new(&frame.payload);
        let mut status = Status::default();
        if frame.has(frame::FULL) {
            status = Status::read(&mut fields, self.ours.settings[Key::MaxMetadataBytes])?;
        }
        ensure(status.code != 0 || self.streams[&id].inbox.partial.is_none(), "OK within a message")?;
        if frame.has(frame::WITH_MESSAGE) {
            self.put_free(id, fields.take_rest().to_vec(), frame.has(frame::COMPRESSED));
        }
        fields.end()?;
        self.outgoing.close(id);
        let stream = self.streams.get_mut(&id).expect("it is open");
        stream.initial.get_or_insert_with(Vec::new);
        stream.status = Some(status);
        let dropped = stream.inbox.drop_partial();
        self.totals.consume(dropped);
        Ok(())
    }

    fn receive_reset(&mut self, frame: &Frame) -> Result<(), Violation> {
        let mut fields = Reader::new(&frame.payload);
        let code = fields.u8()?;
        ensure(code != 0, "a reset with code OK")?;
        let status = Status::new(code, read_reason(&mut fields)?);
        self.step(frame.stream, Event::Reset)?;
        self.outgoing.close(frame.stream);
        let stream = self.streams.get_mut(&frame.stream).expect("it is open");
        stream.status = Some(status);
        stream.is_unprocessed = frame.has(frame::UNPROCESSED);
        let dropped = stream.inbox.clear();
        self.totals.consume(dropped);
        Ok(())
    }
}
