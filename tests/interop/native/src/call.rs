//! A call, as the application of either side sees it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    codec::{self, Wire},
    connection::Connection,
    core::{Core, Head, Stream},
    hello::Key,
    metadata::{Metadata, Status},
    sending::Sent,
};

pub const CANCELLED: u8 = 1;
pub const DEADLINE_EXCEEDED: u8 = 4;
pub const RESOURCE_EXHAUSTED: u8 = 8;
pub const UNIMPLEMENTED: u8 = 12;
pub const INTERNAL: u8 = 13;
pub const UNAVAILABLE: u8 = 14;

/// A call; dropping it lets go of it.
pub struct Call {
    pub connection: Arc<Connection>,
    pub id: u32,
    pub is_protobuf: bool,
    /// The algorithm that messages of this side are compressed with, if the peer has it.
    pub compression: Option<u8>,
    deadline: Option<Instant>,
}

impl Call {
    pub fn new(connection: Arc<Connection>, id: u32, head: &Head, compression: Option<u8>) -> Self {
        let deadline = head.timeout_us.map(|timeout| Instant::now() + Duration::from_micros(timeout));
        Self { connection, id, is_protobuf: head.is_protobuf, compression, deadline }
    }

    /// Waits until `look` finds something in the stream, which is told whether it has ended.
    fn wait<T>(&self, mut look: impl FnMut(&mut Core, bool) -> Option<T>) -> Result<T, Status> {
        let found = self.connection.wait(self.deadline, |core| {
            let is_open = core.is_open(self.id);
            look(core, is_open)
        });
        found.ok_or_else(|| Status::new(DEADLINE_EXCEEDED, "the deadline has passed"))
    }

    /// Looks at the stream.
    pub fn stream<T>(&self, look: impl FnOnce(&mut Stream) -> T) -> T {
        self.connection.update(|core| look(core.streams.get_mut(&self.id).expect("a call keeps its stream")))
    }

    /// A message as it goes out; one that compression does not make smaller goes plain.
    pub fn pack<M: Wire>(&self, message: &M) -> Result<Sent, Status> {
        pack(&self.connection, message, self.is_protobuf, self.compression)
    }

    /// Sends a message and waits until it is out; false if the call has ended.
    pub fn send<M: Wire>(&self, message: &M, is_last: bool) -> Result<bool, Status> {
        self.send_packed(self.pack(message)?, is_last)
    }

    pub fn send_packed(&self, sent: Sent, is_last: bool) -> Result<bool, Status> {
        let is_open = self.connection.update(|core| {
            let is_open = core.is_open(self.id);
            if is_open {
                core.push(self.id, sent, is_last);
            }
            is_open
        });
        if is_open {
            self.wait(|core, is_open| (!is_open || !core.outgoing.has(self.id)).then_some(()))?;
        }
        Ok(is_open)
    }

    /// The next message; none after the last.
    pub fn receive<M: Wire>(&self, is_client: bool) -> Result<Option<M>, Status> {
        let message = self.wait(|core, is_open| {
            if let Some(message) = core.take(self.id) {
                return Some(Ok(Some(message)));
            }
            let stream = &core.streams[&self.id];
            match &stream.status {
                Some(status) if status.code != 0 => Some(Err(status.clone())),
                None if is_open && (is_client || !stream.state.has_client_ended()) => None,
                _ => Some(Ok(None)),
            }
        })??;
        let Some(message) = message else { return Ok(None) };
        let mut bytes = message.bytes;
        let refused = |error: String| Status::new(INTERNAL, format!("a message does not decode: {error}"));
        if message.is_compressed {
            let max_bytes = self.connection.update(|core| core.ours.settings[Key::MaxMessageBytes]);
            bytes = codec::decompress(&bytes, max_bytes).map_err(|error| refused(error.to_string()))?;
        }
        codec::decode(&bytes, self.is_protobuf).map(Some).map_err(refused)
    }

    pub fn half_close(&self) {
        self.connection.update(|core| core.is_open(self.id).then(|| core.half_close(self.id)));
    }

    /// The server's metadata, as soon as it has begun to answer.
    pub fn initial(&self) -> Result<Metadata, Status> {
        self.wait(|core, is_open| {
            let initial = core.streams[&self.id].initial.clone();
            initial.or((!is_open).then(Vec::new))
        })
    }

    /// The name of the method that a client called.
    pub fn method(&self, head: &Head) -> String {
        self.connection.update(|core| {
            let path = &core.ours.methods[usize::from(head.method)].path;
            path.rsplit('/').next().unwrap_or_default().into()
        })
    }

    pub fn send_headers(&self, metadata: &Metadata) {
        self.connection.update(|core| core.is_open(self.id).then(|| core.send_headers(self.id, metadata)));
    }

    /// How the call ended, once it has.
    pub fn status(&self) -> Result<Status, Status> {
        self.wait(|core, _| core.streams[&self.id].status.clone())
    }

    /// Waits; until the call ends at the latest.
    pub fn pause(&self, time: Duration) -> Result<(), Status> {
        let until = Instant::now() + time;
        let until = self.deadline.map_or(until, |deadline| deadline.min(until));
        self.connection.wait(Some(until), |core| (!core.is_open(self.id)).then_some(()));
        match self.deadline {
            Some(deadline) if deadline <= Instant::now() => Err(Status::new(DEADLINE_EXCEEDED, "no time is left")),
            _ => Ok(()),
        }
    }

    /// Ends it if it has not ended.
    pub fn cancel(&self, code: u8, reason: &str) {
        self.connection.update(|core| core.is_open(self.id).then(|| core.reset(self.id, code, reason, 0)));
    }

    /// Answers the last message and how it went, if the call is still there.
    pub fn finish(&self, status: &Status, message: Option<Sent>) -> Result<(), Status> {
        let waiting = self.connection.update(|core| {
            if !core.is_open(self.id) {
                return None;
            }
            match message {
                Some(message) if !core.has_room(status, &message) => {
                    core.push(self.id, message, false);
                    Some(())
                }
                message => {
                    core.finish(self.id, status, message);
                    None
                }
            }
        });
        if waiting.is_some() {
            self.wait(|core, is_open| (!is_open || !core.outgoing.has(self.id)).then_some(()))?;
            self.connection.update(|core| core.is_open(self.id).then(|| core.finish(self.id, status, None)));
        }
        Ok(())
    }
}

impl Call {
    /// Ends a call of a client with an error, whatever is on its way.
    pub fn give_up(&self, status: &Status) {
        self.connection.update(|core| core.is_open(self.id).then(|| core.finish(self.id, status, None)));
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.cancel(CANCELLED, "let go of");
        self.connection.update(|core| core.forget(self.id));
    }
}

pub fn pack<M: Wire>(
    connection: &Connection,
    message: &M,
    is_protobuf: bool,
    compression: Option<u8>,
) -> Result<Sent, Status> {
    let bytes = codec::encode(message, is_protobuf);
    let (max_bytes, is_read) = connection.update(|core| {
        let is_read = |id: &u8| core.theirs.compressions.contains(id);
        (core.theirs.settings[Key::MaxMessageBytes], compression.filter(is_read))
    });
    let mut sent = Sent { bytes, is_compressed: false };
    if let Some(id) = is_read {
        let packed = codec::compress(id, &sent.bytes).map_err(|error| Status::new(INTERNAL, error.to_string()))?;
        if packed.len() < sent.bytes.len() {
            sent = Sent { bytes: packed, is_compressed: true };
        }
    }
    if sent.bytes.len() as u64 > max_bytes {
        let text = format!("a message of {} bytes is over the peer's limit of {max_bytes}", sent.bytes.len());
        return Err(Status::new(RESOURCE_EXHAUSTED, text));
    }
    Ok(sent)
}
