//! The bytes of the page's part "Bytes": integers, texts, and what is wrong with those that break the page.

use std::fmt;

pub const RESOURCE_EXHAUSTED: u8 = 8;
pub const UNIMPLEMENTED: u8 = 12;
pub const INTERNAL: u8 = 13;

/// What the peer did against the page: the connection ends with this code and reason.
#[derive(Clone, Debug)]
pub struct Violation {
    pub code: u8,
    pub reason: String,
}

impl Violation {
    pub fn new(reason: impl Into<String>) -> Self {
        Self { code: INTERNAL, reason: reason.into() }
    }

    pub fn limit(reason: impl Into<String>) -> Self {
        Self { code: RESOURCE_EXHAUSTED, reason: reason.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "code {}: {}", self.code, self.reason)
    }
}

pub fn ensure(is_so: bool, reason: impl Into<String>) -> Result<(), Violation> {
    if is_so {
        Ok(())
    } else {
        Err(Violation::new(reason))
    }
}

/// Reads fields one after another.
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Violation> {
        ensure(count <= self.rest.len(), format!("{count} bytes are announced, {} are left", self.rest.len()))?;
        let (taken, rest) = self.rest.split_at(count);
        self.rest = rest;
        Ok(taken)
    }

    pub fn take_rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Violation> {
        Ok(self.take(N)?.try_into().expect("its length is N"))
    }

    pub fn u8(&mut self) -> Result<u8, Violation> {
        Ok(self.array::<1>()?[0])
    }

    pub fn u16(&mut self) -> Result<u16, Violation> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub fn u32(&mut self) -> Result<u32, Violation> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub fn u64(&mut self) -> Result<u64, Violation> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub fn i64(&mut self) -> Result<i64, Violation> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    pub fn text(&mut self, count: usize) -> Result<String, Violation> {
        text(self.take(count)?)
    }

    pub fn end(&self) -> Result<(), Violation> {
        ensure(self.rest.is_empty(), format!("{} bytes too many", self.rest.len()))
    }
}

pub fn text(bytes: &[u8]) -> Result<String, Violation> {
    String::from_utf8(bytes.to_vec()).map_err(|_| Violation::new("a text is not UTF-8"))
}
