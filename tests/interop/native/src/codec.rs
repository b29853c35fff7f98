//! The two encodings of messages, and the compressions.

use std::io::{self, Read, Write};

use bincode::Options;
use flate2::{read::MultiGzDecoder, write::GzEncoder, Compression};
use lz4_flex::frame::{FrameDecoder, FrameEncoder};
use serde::{de::DeserializeOwned, Serialize};

const LZ4: u8 = 1;
const SNAPPY: u8 = 2;
const GZIP: u8 = 4;
/// What this peer reads and writes, best first.
pub const COMPRESSIONS: [u8; 3] = [LZ4, SNAPPY, GZIP];

/// A message of both encodings.
pub trait Wire: prost::Message + Default + Serialize + DeserializeOwned {}

impl<T: prost::Message + Default + Serialize + DeserializeOwned> Wire for T {}

fn native() -> impl Options {
    bincode::DefaultOptions::new().with_fixint_encoding()
}

pub fn encode<M: Wire>(message: &M, is_protobuf: bool) -> Vec<u8> {
    if is_protobuf {
        message.encode_to_vec()
    } else {
        native().serialize(message).expect("every message has a native layout")
    }
}

pub fn decode<M: Wire>(bytes: &[u8], is_protobuf: bool) -> Result<M, String> {
    if is_protobuf {
        M::decode(bytes).map_err(|error| error.to_string())
    } else {
        native().deserialize(bytes).map_err(|error| error.to_string())
    }
}

/// The id of the algorithm and the compressed bytes.
pub fn compress(id: u8, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut out = vec![id];
    match id {
        LZ4 => {
            let mut encoder = FrameEncoder::new(out);
            encoder.write_all(bytes)?;
            encoder.finish().map_err(io::Error::other)
        }
        SNAPPY => {
            out.extend(snap::raw::Encoder::new().compress_vec(bytes)?);
            Ok(out)
        }
        GZIP => {
            let mut encoder = GzEncoder::new(out, Compression::fast());
            encoder.write_all(bytes)?;
            encoder.finish()
        }
        id => Err(io::Error::other(format!("compression {id} is not had here"))),
    }
}

/// What was compressed; it may be of `max_bytes`.
pub fn decompress(bytes: &[u8], max_bytes: u64) -> io::Result<Vec<u8>> {
    let (&id, packed) = bytes.split_first().ok_or_else(|| io::Error::other("no id of a compression"))?;
    match id {
        LZ4 => read_within(FrameDecoder::new(packed), max_bytes),
        SNAPPY => {
            check_size(snap::raw::decompress_len(packed)? as u64, max_bytes)?;
            Ok(snap::raw::Decoder::new().decompress_vec(packed)?)
        }
        GZIP => read_within(MultiGzDecoder::new(packed), max_bytes),
        id => Err(io::Error::other(format!("compression {id} was not announced"))),
    }
}

fn read_within(source: impl Read, max_bytes: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(max_bytes + 1).read_to_end(&mut bytes)?;
    check_size(bytes.len() as u64, max_bytes)?;
    Ok(bytes)
}

fn check_size(size: u64, max_bytes: u64) -> io::Result<()> {
    if size > max_bytes {
        return Err(io::Error::other(format!("the decompressed message is over the limit of {max_bytes}")));
    }
    Ok(())
}
