//! The handshake: the preface, and HELLO with settings, compressions and methods.

use std::{
    collections::HashSet,
    io::{Read, Write},
    ops::{Index, IndexMut},
};

use crate::{
    frame,
    wire::{ensure, Reader, Violation, UNIMPLEMENTED},
};

pub const PREFACE: [u8; 4] = *b"EFT1";
const VERSION: [u16; 2] = [1, 0];
const CLIENT_HELLO_BYTES: u64 = 16_384;
const SERVER_HELLO_BYTES: u64 = 1_048_576;
const MAX_METHODS: u16 = 32_767;

/// The settings, by their keys.
#[derive(Clone, Copy)]
pub enum Key {
    MaxFrameBytes = 1,
    MaxMessageBytes = 2,
    MaxStreams = 3,
    MaxMetadataBytes = 4,
    StreamWindow = 5,
    ConnectionWindow = 6,
    MinPingIntervalMs = 7,
    Features = 8,
}

/// Bit 0 of the features: messages can be protobuf.
pub const CAN_PROTOBUF: u64 = 1;

const DEFAULTS: [u64; 8] = [16_384, 4_194_304, 100, 8_192, 65_536, 1_048_576, 1_000, 0];
const LEAST: [u64; 8] = [16_384, 1, 0, 0, 16_384, 16_384, 0, 0];

/// What one side accepts.
#[derive(Clone)]
pub struct Settings([u64; 8]);

impl Default for Settings {
    fn default() -> Self {
        Self(DEFAULTS)
    }
}

impl Index<Key> for Settings {
    type Output = u64;

    fn index(&self, key: Key) -> &u64 {
        &self.0[key as usize - 1]
    }
}

impl IndexMut<Key> for Settings {
    fn index_mut(&mut self, key: Key) -> &mut u64 {
        &mut self.0[key as usize - 1]
    }
}

/// A method that a server has: its path and fingerprint; its place in the list is its id.
#[derive(Clone)]
pub struct Method {
    pub path: String,
    pub fingerprint: u64,
}

#[derive(Clone, Default)]
pub struct Hello {
    pub settings: Settings,
    pub compressions: Vec<u8>,
    pub methods: Vec<Method>,
}

impl Hello {
    /// The frame.
    pub fn put(&self, out: &mut Vec<u8>) {
        let mut payload = Vec::new();
        VERSION.iter().for_each(|number| payload.extend(number.to_le_bytes()));
        payload.extend((self.settings.0.len() as u16).to_le_bytes());
        for (index, value) in self.settings.0.iter().enumerate() {
            payload.extend((index as u16 + 1).to_le_bytes());
            payload.extend(value.to_le_bytes());
        }
        payload.push(self.compressions.len() as u8);
        payload.extend(&self.compressions);
        payload.extend((self.methods.len() as u16).to_le_bytes());
        for method in &self.methods {
            payload.extend((method.path.len() as u16).to_le_bytes());
            payload.extend(method.path.as_bytes());
            payload.extend(method.fingerprint.to_le_bytes());
        }
        frame::put(out, frame::HELLO, 0, 0, &[&payload]);
    }

    fn parse(payload: &[u8]) -> Result<Self, Violation> {
        let mut fields = Reader::new(payload);
        let (major, _minor) = (fields.u16()?, fields.u16()?);
        if major != VERSION[0] {
            return Err(Violation { code: UNIMPLEMENTED, reason: format!("version {major} is not spoken here") });
        }
        let mut hello = Hello::default();
        for _ in 0..fields.u16()? {
            let (key, value) = (fields.u16()?, fields.u64()?);
            let Some(index) = usize::from(key).checked_sub(1).filter(|&index| index < DEFAULTS.len()) else { continue };
            ensure(value >= LEAST[index], format!("setting {key} is {value}, below the least"))?;
            hello.settings.0[index] = value;
        }
        let compressions = fields.u8()?;
        hello.compressions = fields.take(compressions.into())?.to_vec();
        let methods = fields.u16()?;
        ensure(methods <= MAX_METHODS, format!("{methods} methods"))?;
        for _ in 0..methods {
            let length = fields.u16()?;
            hello.methods.push(Method { path: fields.text(length.into())?, fingerprint: fields.u64()? });
        }
        let paths: HashSet<&str> = hello.methods.iter().map(|method| method.path.as_str()).collect();
        ensure(paths.len() == hello.methods.len(), "a method stands twice")?;
        fields.end()?;
        Ok(hello)
    }

    fn read(source: &mut impl Read, max_bytes: u64) -> Result<Self, Violation> {
        let frame = frame::read(source, max_bytes)?.ok_or_else(|| Violation::new("no hello"))?;
        ensure(frame.kind == frame::HELLO && frame.flags == 0 && frame.stream == 0, "the first frame is no hello")?;
        Self::parse(&frame.payload)
    }
}

fn read_preface(source: &mut impl Read) -> Result<(), Violation> {
    let mut preface = [0; PREFACE.len()];
    source.read_exact(&mut preface).map_err(|error| Violation::new(format!("no preface: {error}")))?;
    ensure(preface == PREFACE, format!("the peer begins with {preface:02x?}"))
}

fn greet(pipe: &mut impl Write, ours: &Hello) -> Result<(), Violation> {
    let mut out = PREFACE.to_vec();
    ours.put(&mut out);
    pipe.write_all(&out).map_err(|error| Violation::new(error.to_string()))
}

/// A client sends at once; the server's HELLO.
pub fn greet_server(pipe: &mut (impl Read + Write), ours: &Hello) -> Result<Hello, Violation> {
    greet(pipe, ours)?;
    read_preface(pipe)?;
    Hello::read(pipe, SERVER_HELLO_BYTES)
}

/// A server waits for the client's preface; the client's HELLO.
pub fn greet_client(pipe: &mut (impl Read + Write), ours: &Hello) -> Result<Hello, Violation> {
    read_preface(pipe)?;
    greet(pipe, ours)?;
    let theirs = Hello::read(pipe, CLIENT_HELLO_BYTES)?;
    ensure(theirs.methods.is_empty(), "a client lists methods")?;
    ensure(theirs.settings[Key::MaxStreams] == 0, "a client takes calls")?;
    Ok(theirs)
}
