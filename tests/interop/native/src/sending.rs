//! What the application does to calls: frames go out.

use crate::{
    core::{Core, Head, Side},
    frame,
    hello::Key,
    incoming::Message,
    metadata::{put_block, Metadata, Status},
    state::{Event, State},
};

/// A message as it goes out.
#[derive(Clone, Default)]
pub struct Sent {
    pub bytes: Vec<u8>,
    pub is_compressed: bool,
}

impl Core {
    fn must(&mut self, id: u32, event: Event) {
        if let Err(violation) = self.step(id, event) {
            panic!("the peer itself breaks the page: {violation}");
        }
    }

    /// Whether frames may still be sent on a stream.
    pub fn is_open(&self, id: u32) -> bool {
        self.streams.get(&id).is_some_and(|stream| stream.state != State::Closed)
    }

    /// Opens a call, with its first message if there is one that fits; else that has to be pushed.
    pub fn open(&mut self, head: Head, message: Option<Sent>, is_last: bool) -> u32 {
        assert!(self.side == Side::Client);
        let id = self.last_opened + 1;
        let timeout = head.timeout_us.map_or(-1, |timeout| timeout as i64);
        let mut fixed = head.method.to_le_bytes().to_vec();
        fixed.extend(timeout.to_le_bytes());
        let mut flags = if head.is_protobuf { frame::PROTOBUF } else { 0 };
        if !head.metadata.is_empty() {
            flags |= frame::METADATA;
            put_block(&mut fixed, &head.metadata);
        }
        self.add_stream(id, head, State::Open);
        let room = self.room_after(fixed.len());
        let (riding, waiting) = match message {
            Some(message) if message.bytes.len() <= room => (Some(message), None),
            message => (None, message),
        };
        let is_over = is_last && waiting.is_none();
        flags |= if is_over { frame::END } else { 0 };
        let riding = riding.inspect(|message| flags |= message_flags(message)).unwrap_or_default();
        frame::put(&mut self.out, frame::OPEN, flags, id, &[&fixed, &riding.bytes]);
        if is_over {
            self.must(id, Event::ClientEnd);
        }
        if let Some(message) = waiting {
            self.push(id, message, is_last);
        }
        id
    }

    fn room_after(&self, used: usize) -> usize {
        (self.theirs.settings[Key::MaxFrameBytes] as usize).saturating_sub(used)
    }

    /// Queues a message; a client's may end its half.
    pub fn push(&mut self, id: u32, message: Sent, is_last: bool) {
        self.must(id, if self.side == Side::Client { Event::ClientMessage } else { Event::ServerMessage });
        if is_last {
            self.must(id, Event::ClientEnd);
        }
        self.outgoing.push(id, message.bytes, message.is_compressed, is_last);
        self.outgoing.pump(&mut self.out);
    }

    pub fn half_close(&mut self, id: u32) {
        self.must(id, Event::ClientEnd);
        frame::put(&mut self.out, frame::HALF_CLOSE, 0, id, &[]);
    }

    pub fn send_headers(&mut self, id: u32, metadata: &Metadata) {
        self.must(id, Event::ServerHeaders);
        let mut block = Vec::new();
        put_block(&mut block, metadata);
        frame::put(&mut self.out, frame::HEADERS, 0, id, &[&block]);
    }

    /// Whether a message can ride in the STATUS.
    pub fn has_room(&self, status: &Status, message: &Sent) -> bool {
        let mut full = Vec::new();
        status.put(&mut full);
        message.bytes.len() <= self.room_after(if status.is_full() { full.len() } else { 0 })
    }

    /// Ends a call of a client, which needs no message or one that there is room for.
    pub fn finish(&mut self, id: u32, status: &Status, message: Option<Sent>) {
        self.must(id, Event::ServerStatus);
        let mut full = Vec::new();
        let mut flags = 0;
        if status.is_full() {
            flags |= frame::FULL;
            status.put(&mut full);
        }
        let message = message.inspect(|message| flags |= message_flags(message)).unwrap_or_default();
        frame::put(&mut self.out, frame::STATUS, flags, id, &[&full, &message.bytes]);
        self.drop_all(id);
    }

    /// Ends a call either way.
    pub fn reset(&mut self, id: u32, code: u8, reason: &str, flags: u8) {
        self.must(id, Event::Reset);
        frame::put(&mut self.out, frame::RESET, flags, id, &[&[code], reason.as_bytes()]);
        self.drop_all(id);
    }

    fn drop_all(&mut self, id: u32) {
        self.outgoing.close(id);
        let dropped = self.streams.get_mut(&id).expect("it was open").inbox.clear();
        self.totals.consume(dropped);
        self.grant();
        self.outgoing.pump(&mut self.out);
    }

    /// The next message that the application takes.
    pub fn take(&mut self, id: u32) -> Option<Message> {
        let stream = self.streams.get_mut(&id)?;
        let message = stream.inbox.complete.pop_front()?;
        stream.totals.consume(message.cost);
        self.totals.consume(message.cost);
        self.grant();
        Some(message)
    }

    /// Lets go of a call that has ended.
    pub fn forget(&mut self, id: u32) {
        if let Some(mut stream) = self.streams.remove(&id) {
            self.totals.consume(stream.inbox.clear());
        }
        self.outgoing.close(id);
        self.grant();
    }
}

fn message_flags(message: &Sent) -> u8 {
    frame::WITH_MESSAGE | if message.is_compressed { frame::COMPRESSED } else { 0 }
}
