//! What a receiver does: totals of credit, and messages that are put together from their parts.

use std::collections::VecDeque;

use crate::{outgoing::FRAME_COST, wire::Violation};

const MAX_INCREMENT: u64 = (1 << 31) - 1;

/// The totals of one stream, or of the connection, from its start.
pub struct Totals {
    window: u64,
    granted: u64,
    received: u64,
    consumed: u64,
}

impl Totals {
    pub fn new(window: u64) -> Self {
        Self { window, granted: window, received: 0, consumed: 0 }
    }

    pub fn receive(&mut self, cost: u64) -> Result<(), Violation> {
        self.received += cost;
        if self.received > self.granted {
            let over = self.received - self.granted;
            return Err(Violation::limit(format!("a frame costs {over} more than there is credit for")));
        }
        Ok(())
    }

    pub fn consume(&mut self, cost: u64) {
        self.consumed += cost;
    }

    /// The increment to send, and count as granted, if it is a `fraction`th of the window or more.
    pub fn grant(&mut self, loan: u64, fraction: u64) -> Option<u32> {
        let allowed = self.consumed + self.window + loan;
        let credit = allowed.saturating_sub(self.granted).min(MAX_INCREMENT);
        if credit == 0 || credit < self.window / fraction {
            return None;
        }
        self.granted += credit;
        Some(credit as u32)
    }
}

/// A message as it came, and what taking it counts for.
pub struct Message {
    pub bytes: Vec<u8>,
    pub is_compressed: bool,
    pub cost: u64,
}

/// A message of which parts have come: its place among all that were begun, and what the parts cost.
pub struct Partial {
    pub begun: u64,
    pub cost: u64,
    bytes: Vec<u8>,
    is_compressed: bool,
}

/// The messages of a stream that the application has not taken.
#[derive(Default)]
pub struct Inbox {
    pub complete: VecDeque<Message>,
    pub partial: Option<Partial>,
}

impl Inbox {
    /// Bytes of the message that the next part belongs to.
    pub fn partial_bytes(&self) -> usize {
        self.partial.as_ref().map_or(0, |partial| partial.bytes.len())
    }

    /// Takes a part in; what counts as consumed at once.
    pub fn add(&mut self, part: &[u8], is_compressed: bool, has_more: bool, begun: u64) -> u64 {
        let partial = self.partial.get_or_insert(Partial { begun, cost: 0, bytes: Vec::new(), is_compressed });
        partial.bytes.extend(part);
        partial.cost += part.len() as u64 + FRAME_COST;
        if has_more {
            return 0;
        }
        let partial = self.partial.take().expect("it was just there");
        let cost = partial.bytes.len() as u64 + FRAME_COST;
        self.complete.push_back(Message { bytes: partial.bytes, is_compressed: partial.is_compressed, cost });
        partial.cost - cost
    }

    /// Drops the message in parts; what it counts for.
    pub fn drop_partial(&mut self) -> u64 {
        self.partial.take().map_or(0, |partial| partial.cost)
    }

    /// Drops everything; what it counts for.
    pub fn clear(&mut self) -> u64 {
        self.drop_partial() + self.complete.drain(..).map(|message| message.cost).sum::<u64>()
    }
}
