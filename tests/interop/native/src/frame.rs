//! Frames: a header of ten bytes and a payload.

use std::io::{ErrorKind, Read};

use crate::wire::{Reader, Violation};

pub const HELLO: u8 = 1;
pub const OPEN: u8 = 2;
pub const HEADERS: u8 = 3;
pub const MESSAGE: u8 = 4;
pub const HALF_CLOSE: u8 = 5;
pub const STATUS: u8 = 6;
pub const RESET: u8 = 7;
pub const CREDIT: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;
pub const GOAWAY: u8 = 11;
/// The first type of those whose frames are ignored by who does not know them.
pub const FIRST_EXTENSION: u8 = 128;

pub const END: u8 = 0x01;
pub const WITH_MESSAGE: u8 = 0x02;
pub const METADATA: u8 = 0x04;
pub const COMPRESSED: u8 = 0x08;
pub const MORE: u8 = 0x10;
pub const PROTOBUF: u8 = 0x20;
pub const FULL: u8 = 0x40;
pub const UNPROCESSED: u8 = 0x01;

const HEADER_BYTES: usize = 10;

pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Flags that the type does not have, and flags that exclude each other.
    pub fn check_flags(&self) -> Result<(), Violation> {
        let known = match self.kind {
            OPEN => END | WITH_MESSAGE | METADATA | COMPRESSED | PROTOBUF,
            MESSAGE => END | COMPRESSED | MORE,
            STATUS => WITH_MESSAGE | COMPRESSED | FULL,
            RESET => UNPROCESSED,
            _ => 0,
        };
        let is_lone = self.kind != MESSAGE && self.has(COMPRESSED) && !self.has(WITH_MESSAGE);
        let is_torn = self.kind == MESSAGE && self.has(MORE) && self.has(END);
        if self.flags & !known != 0 || (known & COMPRESSED != 0 && is_lone) || is_torn {
            return Err(Violation::new(format!("flags {:#04x} on a frame of type {}", self.flags, self.kind)));
        }
        Ok(())
    }
}

/// Appends a frame whose payload comes in pieces.
pub fn put(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[&[u8]]) {
    let length: usize = payload.iter().map(|piece| piece.len()).sum();
    out.extend((length as u32).to_le_bytes());
    out.extend([kind, flags]);
    out.extend(stream.to_le_bytes());
    payload.iter().for_each(|piece| out.extend(*piece));
}

/// The next frame; none at the end of the byte stream, which within a frame is an error.
pub fn read(source: &mut impl Read, max_bytes: u64) -> Result<Option<Frame>, Violation> {
    let mut header = [0; HEADER_BYTES];
    let first = loop {
        match source.read(&mut header) {
            Ok(count) => break count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // A reset where a frame could begin loses nothing of one.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break 0,
            Err(error) => return Err(Violation::new(error.to_string())),
        }
    };
    if first == 0 {
        return Ok(None);
    }
    let broken = |error: std::io::Error| Violation::new(format!("within a frame: {error}"));
    source.read_exact(&mut header[first..]).map_err(broken)?;
    let mut fields = Reader::new(&header);
    let length = fields.u32()?;
    if u64::from(length) > max_bytes {
        return Err(Violation::limit(format!("a frame of {length} bytes is over the limit of {max_bytes}")));
    }
    let (kind, flags, stream) = (fields.u8()?, fields.u8()?, fields.u32()?);
    let mut payload = vec![0; length as usize];
    source.read_exact(&mut payload).map_err(broken)?;
    Ok(Some(Frame { kind, flags, stream, payload }))
}
