//! What a sender does: messages that wait for credit, and the parts that they are sent in.

use std::collections::{HashMap, VecDeque};

use crate::{
    frame,
    wire::{ensure, Violation},
};

/// What each frame costs beside its payload.
pub const FRAME_COST: u64 = 64;
const MAX_CREDIT: u64 = 1 << 40;

struct Waiting {
    stream: u32,
    bytes: Vec<u8>,
    sent: usize,
    is_compressed: bool,
    is_last: bool,
}

enum Progress {
    Part,
    Done,
    StreamIsShort,
    ConnectionIsShort,
}

/// The messages of all streams, in the order in which they came to wait.
///
/// A stream has one message here at a time. `begun` are the streams whose message is sent in part, in order of beginning.
pub struct Outgoing {
    max_frame_bytes: usize,
    window: u64,
    credit: u64,
    stream_window: u64,
    stream_credits: HashMap<u32, u64>,
    waiting: VecDeque<Waiting>,
    begun: Vec<u32>,
}

impl Outgoing {
    pub fn new(max_frame_bytes: u64, window: u64, stream_window: u64) -> Self {
        Self {
            max_frame_bytes: max_frame_bytes.min(u32::MAX.into()) as usize,
            window,
            credit: window,
            stream_window,
            stream_credits: HashMap::new(),
            waiting: VecDeque::new(),
            begun: Vec::new(),
        }
    }

    pub fn open(&mut self, stream: u32) {
        self.stream_credits.insert(stream, self.stream_window);
    }

    /// Forgets a stream, and what of its message is not sent.
    pub fn close(&mut self, stream: u32) {
        self.stream_credits.remove(&stream);
        self.waiting.retain(|message| message.stream != stream);
        self.begun.retain(|&begun| begun != stream);
    }

    pub fn has(&self, stream: u32) -> bool {
        self.waiting.iter().any(|message| message.stream == stream)
    }

    pub fn push(&mut self, stream: u32, bytes: Vec<u8>, is_compressed: bool, is_last: bool) {
        self.waiting.push_back(Waiting { stream, bytes, sent: 0, is_compressed, is_last });
    }

    /// Credit of a stream, or of the connection for 0; that of a stream that has ended is nothing.
    pub fn add(&mut self, stream: u32, increment: u32) -> Result<(), Violation> {
        let credit = match stream {
            0 => Some(&mut self.credit),
            stream => self.stream_credits.get_mut(&stream),
        };
        let Some(credit) = credit else { return Ok(()) };
        *credit += u64::from(increment);
        ensure(*credit <= MAX_CREDIT, format!("stream {stream} has credit of {credit}"))
    }

    /// Appends the frames that there is credit for.
    pub fn pump(&mut self, out: &mut Vec<u8>) {
        let mut index = 0;
        let mut is_short = false;
        while index < self.waiting.len() {
            match self.send_part(index, is_short, out) {
                Progress::Part => {}
                Progress::Done => drop(self.waiting.remove(index)),
                Progress::StreamIsShort => index += 1,
                Progress::ConnectionIsShort => {
                    is_short = true;
                    index += 1;
                }
            }
        }
    }

    fn send_part(&mut self, index: usize, is_short: bool, out: &mut Vec<u8>) -> Progress {
        let message = &mut self.waiting[index];
        let (stream, rest) = (message.stream, message.bytes.len() - message.sent);
        let is_first = self.begun.first() == Some(&stream);
        // While one is under way the last quarter is its own; who came later gets nothing that an earlier one waits for.
        let kept = if is_first || self.begun.is_empty() { 0 } else { self.window / 4 };
        let spendable = self.credit.saturating_sub(kept);
        let least = FRAME_COST + rest.min(1) as u64;
        if spendable < least || (is_short && !is_first) {
            return Progress::ConnectionIsShort;
        }
        let Some(stream_credit) = self.stream_credits.get_mut(&stream) else { return Progress::Done };
        if *stream_credit < least {
            return Progress::StreamIsShort;
        }
        let affordable = (spendable.min(*stream_credit) - FRAME_COST) as usize;
        let size = rest.min(self.max_frame_bytes).min(affordable);
        let mut flags = 0;
        flags |= if message.is_compressed && message.sent == 0 { frame::COMPRESSED } else { 0 };
        flags |= if size < rest { frame::MORE } else { 0 };
        flags |= if size == rest && message.is_last { frame::END } else { 0 };
        frame::put(out, frame::MESSAGE, flags, stream, &[&message.bytes[message.sent..message.sent + size]]);
        self.credit -= size as u64 + FRAME_COST;
        *stream_credit -= size as u64 + FRAME_COST;
        message.sent += size;
        if size == rest {
            self.begun.retain(|&begun| begun != stream);
            return Progress::Done;
        }
        if !self.begun.contains(&stream) {
            self.begun.push(stream);
        }
        Progress::Part
    }
}
