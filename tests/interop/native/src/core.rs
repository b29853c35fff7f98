//! One side of a connection without I/O: frames come in, and what is to be written gathers in `out`.

use std::collections::{HashMap, VecDeque};

use crate::{
    frame::{self, Frame},
    hello::{Hello, Key},
    incoming::{Inbox, Totals},
    metadata::{Metadata, Status},
    outgoing::Outgoing,
    patience::Patience,
    state::{Event, State},
    wire::{ensure, text, Reader, Violation},
};

const MAX_REASON_BYTES: usize = 1_024;
pub const MAX_STREAM: u32 = (1 << 31) - 1;

#[derive(Clone, Copy, PartialEq)]
pub enum Side {
    Client,
    Server,
}

/// What a client asks for when it opens a stream.
#[derive(Clone, Default)]
pub struct Head {
    pub method: u16,
    /// Microseconds; none without a deadline.
    pub timeout_us: Option<u64>,
    pub metadata: Metadata,
    pub is_protobuf: bool,
}

/// A call, until the application lets go of it.
pub struct Stream {
    pub head: Head,
    pub state: State,
    /// The server's metadata, once they are known.
    pub initial: Option<Metadata>,
    pub inbox: Inbox,
    pub totals: Totals,
    /// How it ended, if the peer or a fault of the peer's ended it.
    pub status: Option<Status>,
    pub is_unprocessed: bool,
    /// Whether the peer has compressed a message.
    pub has_compressed: bool,
}

/// What a GOAWAY says.
#[derive(Clone)]
pub struct GoAway {
    pub last: u32,
    pub code: u8,
    pub reason: String,
}

/// Invariant: `streams` has every open one; one above `last_opened` was never opened.
pub struct Core {
    pub side: Side,
    pub ours: Hello,
    pub theirs: Hello,
    pub out: Vec<u8>,
    pub outgoing: Outgoing,
    pub streams: HashMap<u32, Stream>,
    pub last_opened: u32,
    /// Streams that a server has to answer.
    pub accepted: VecDeque<u32>,
    pub pongs: Vec<[u8; 8]>,
    pub peer_leaves: Option<GoAway>,
    pub we_leave: Option<GoAway>,
    /// Why there is no connection any more.
    pub end: Option<String>,
    patience: Patience,
    pub(crate) totals: Totals,
    pub(crate) begun: u64,
}

impl Core {
    pub fn new(side: Side, ours: Hello, theirs: Hello) -> Self {
        let outgoing = Outgoing::new(
            theirs.settings[Key::MaxFrameBytes],
            theirs.settings[Key::ConnectionWindow],
            theirs.settings[Key::StreamWindow],
        );
        let totals = Totals::new(ours.settings[Key::ConnectionWindow]);
        let patience = Patience::new(ours.settings[Key::MinPingIntervalMs]);
        Self {
            side,
            ours,
            theirs,
            out: Vec::new(),
            outgoing,
            streams: HashMap::new(),
            last_opened: 0,
            accepted: VecDeque::new(),
            pongs: Vec::new(),
            peer_leaves: None,
            we_leave: None,
            end: None,
            patience,
            totals,
            begun: 0,
        }
    }

    /// Calls that have not ended.
    pub fn open_calls(&self) -> usize {
        self.streams.values().filter(|stream| stream.state != State::Closed).count()
    }

    /// Takes a frame in; the connection ends if it breaks the page.
    pub fn receive(&mut self, frame: Frame) -> Result<(), Violation> {
        if frame.kind >= frame::FIRST_EXTENSION {
            return Ok(());
        }
        frame.check_flags()?;
        match frame.kind {
            frame::CREDIT => self.receive_credit(&frame)?,
            frame::PING | frame::PONG | frame::GOAWAY => {
                ensure(frame.stream == 0, format!("a frame of type {} on a stream", frame.kind))?;
                self.receive_control(frame)?;
            }
            frame::OPEN => {
                ensure(self.side == Side::Server, "a server opens a call")?;
                self.receive_open(frame)?;
            }
            frame::HEADERS..=frame::RESET => self.receive_on_stream(frame)?,
            kind => return Err(Violation::new(format!("a frame of type {kind}"))),
        }
        self.grant();
        self.outgoing.pump(&mut self.out);
        Ok(())
    }

    fn receive_credit(&mut self, frame: &Frame) -> Result<(), Violation> {
        ensure(frame.stream <= self.last_opened, "credit for a stream that was never opened")?;
        let mut fields = Reader::new(&frame.payload);
        let increment = fields.u32()?;
        fields.end()?;
        ensure((1..=MAX_STREAM).contains(&increment), format!("a credit of {increment}"))?;
        self.outgoing.add(frame.stream, increment)
    }

    fn receive_control(&mut self, frame: Frame) -> Result<(), Violation> {
        if frame.kind == frame::GOAWAY {
            return self.receive_goaway(&frame.payload);
        }
        let bytes: [u8; 8] = frame.payload.try_into().map_err(|_| Violation::new("a ping is not of 8 bytes"))?;
        if frame.kind == frame::PING {
            self.patience.ping()?;
            frame::put(&mut self.out, frame::PONG, 0, 0, &[&bytes]);
        } else {
            self.pongs.push(bytes);
        }
        Ok(())
    }

    fn receive_goaway(&mut self, payload: &[u8]) -> Result<(), Violation> {
        let mut fields = Reader::new(payload);
        let (last, code) = (fields.u32()?, fields.u8()?);
        let reason = read_reason(&mut fields)?;
        ensure(self.side == Side::Client || last == 0, "a client's goaway names a stream")?;
        let previous = self.peer_leaves.as_ref().map_or(MAX_STREAM, |goaway| goaway.last);
        ensure(last <= previous, "a goaway names a greater stream than the one before")?;
        if self.side == Side::Client {
            for (_, stream) in self.streams.iter_mut().filter(|(&id, _)| id > last) {
                stream.is_unprocessed = true;
                stream.state = State::Closed;
                stream.status.get_or_insert(Status::new(14, format!("the server leaves: {reason}")));
            }
        }
        self.peer_leaves = Some(GoAway { last, code, reason });
        Ok(())
    }

    /// Ends everything; calls that have not ended fail.
    pub fn fail(&mut self, why: String) {
        for stream in self.streams.values_mut().filter(|stream| stream.state != State::Closed) {
            stream.state = State::Closed;
            stream.status.get_or_insert(Status::new(14, why.clone()));
        }
        self.end.get_or_insert(why);
    }

    /// Says that no further calls are taken; `code` is 0 for an orderly drain.
    pub fn leave(&mut self, code: u8, reason: &str) {
        let last = if self.side == Side::Server { self.last_opened } else { 0 };
        frame::put(&mut self.out, frame::GOAWAY, 0, 0, &[&last.to_le_bytes(), &[code], reason.as_bytes()]);
        self.we_leave = Some(GoAway { last, code, reason: reason.into() });
    }

    /// Follows the table; an event that it does not list breaks the page.
    pub(crate) fn step(&mut self, id: u32, event: Event) -> Result<State, Violation> {
        let stream = self.streams.get_mut(&id).expect("it is open");
        let next = stream.state.after(event);
        let wrong = || Violation::new(format!("{event:?} on stream {id}, which is {:?}", stream.state));
        stream.state = next.ok_or_else(wrong)?;
        Ok(stream.state)
    }

    /// Sends the credit that is due.
    pub(crate) fn grant(&mut self) {
        let lent = self.streams.iter().filter(|(_, stream)| stream.inbox.complete.is_empty());
        let lent = lent
            .filter_map(|(&id, stream)| stream.inbox.partial.as_ref().map(|partial| (partial.begun, id, partial.cost)));
        let (_, borrower, loan) = lent.min().unwrap_or((0, 0, 0));
        let side = self.side;
        for (&id, stream) in &mut self.streams {
            if stream.state == State::Closed || (side == Side::Server && stream.state.has_client_ended()) {
                continue;
            }
            if let Some(increment) = stream.totals.grant(if id == borrower { loan } else { 0 }, 2) {
                frame::put(&mut self.out, frame::CREDIT, 0, id, &[&increment.to_le_bytes()]);
            }
        }
        if let Some(increment) = self.totals.grant(loan, 8) {
            frame::put(&mut self.out, frame::CREDIT, 0, 0, &[&increment.to_le_bytes()]);
        }
    }
}

pub(crate) fn read_reason(fields: &mut Reader) -> Result<String, Violation> {
    let bytes = fields.take_rest();
    ensure(bytes.len() <= MAX_REASON_BYTES, format!("a reason of {} bytes", bytes.len()))?;
    text(bytes)
}
