//! Metadata blocks and full statuses.

use crate::wire::{ensure, Reader, Violation};

pub type Metadata = Vec<(String, Vec<u8>)>;

const MAX_PAIRS: u16 = 32_767;
const ALLOWED_RESERVED: [&str; 2] = ["grpc-retry-pushback-ms", "grpc-previous-rpc-attempts"];
const MAX_CODE: u8 = 16;
const UNKNOWN: u8 = 2;

pub fn put_block(out: &mut Vec<u8>, metadata: &Metadata) {
    let mut pairs = (metadata.len() as u16).to_le_bytes().to_vec();
    for (key, value) in metadata {
        pairs.push(key.len() as u8);
        pairs.extend(key.as_bytes());
        pairs.extend((value.len() as u32).to_le_bytes());
        pairs.extend(value);
    }
    out.extend((pairs.len() as u32).to_le_bytes());
    out.extend(pairs);
}

pub fn read_block(fields: &mut Reader, max_bytes: u64) -> Result<Metadata, Violation> {
    let length = fields.u32()?;
    if u64::from(length) > max_bytes {
        return Err(Violation::limit(format!("metadata of {length} bytes are over the limit of {max_bytes}")));
    }
    let mut fields = Reader::new(fields.take(length as usize)?);
    let count = fields.u16()?;
    ensure(count <= MAX_PAIRS, format!("{count} pairs of metadata"))?;
    let mut metadata = Metadata::new();
    for _ in 0..count {
        let length = fields.u8()?;
        let key = fields.text(length.into())?;
        let length = fields.u32()?;
        let value = fields.take(length as usize)?.to_vec();
        check_pair(&key, &value)?;
        metadata.push((key, value));
    }
    fields.end()?;
    Ok(metadata)
}

fn check_pair(key: &str, value: &[u8]) -> Result<(), Violation> {
    let is_of_key = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'_' | b'.' | b'-');
    let is_reserved = key.starts_with("grpc-") && !ALLOWED_RESERVED.contains(&key);
    ensure(!key.is_empty() && key.bytes().all(is_of_key) && !is_reserved, format!("a metadata key is {key:?}"))?;
    let is_text = value.iter().all(|byte| (0x20..=0x7e).contains(byte)) && value == value.trim_ascii();
    ensure(key.ends_with("-bin") || is_text, format!("the metadata of {key} are not printable ASCII"))
}

/// The first value of a key.
pub fn find<'a>(metadata: &'a Metadata, key: &str) -> Option<&'a [u8]> {
    metadata.iter().find(|(found, _)| found == key).map(|(_, value)| value.as_slice())
}

/// How a call ended.
#[derive(Clone, Debug, Default)]
pub struct Status {
    pub code: u8,
    pub text: String,
    /// Type URLs and values, as in `google.protobuf.Any`.
    pub details: Vec<(String, Vec<u8>)>,
    pub trailers: Metadata,
}

impl Status {
    pub fn new(code: u8, text: impl Into<String>) -> Self {
        Self { code, text: text.into(), ..Self::default() }
    }

    /// Whether it needs the flag FULL.
    pub fn is_full(&self) -> bool {
        self.code != 0 || !self.text.is_empty() || !self.details.is_empty() || !self.trailers.is_empty()
    }

    pub fn put(&self, out: &mut Vec<u8>) {
        out.push(self.code);
        out.extend((self.text.len() as u32).to_le_bytes());
        out.extend(self.text.as_bytes());
        out.extend((self.details.len() as u16).to_le_bytes());
        for (url, value) in &self.details {
            out.extend((url.len() as u16).to_le_bytes());
            out.extend(url.as_bytes());
            out.extend((value.len() as u32).to_le_bytes());
            out.extend(value);
        }
        put_block(out, &self.trailers);
    }

    pub fn read(fields: &mut Reader, max_metadata_bytes: u64) -> Result<Self, Violation> {
        let code = Some(fields.u8()?).filter(|&code| code <= MAX_CODE).unwrap_or(UNKNOWN);
        let length = fields.u32()?;
        let mut status = Self::new(code, fields.text(length as usize)?);
        for _ in 0..fields.u16()? {
            let length = fields.u16()?;
            let url = fields.text(length.into())?;
            let length = fields.u32()?;
            status.details.push((url, fields.take(length as usize)?.to_vec()));
        }
        status.trailers = read_block(fields, max_metadata_bytes)?;
        Ok(status)
    }
}
