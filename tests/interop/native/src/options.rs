//! What the command line says: words such as `stream_window=16384` and `differ`.

use prost::Message;
use prost_types::FileDescriptorSet;

use crate::{
    codec::COMPRESSIONS,
    core::Side,
    fingerprint,
    hello::{Hello, Key, Method, Settings, CAN_PROTOBUF},
};

const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.binpb"));
pub const SERVICE: &str = "grpc.testing.TestService";

#[derive(Clone)]
pub struct Options {
    pub settings: Settings,
    /// The algorithm to compress messages with.
    pub compression: Option<u8>,
    /// Whether the fingerprints are to be others than those of the IDL.
    pub is_differing: bool,
}

impl Options {
    pub fn parse(words: &[String]) -> Result<Self, String> {
        let mut settings = Settings::default();
        settings[Key::Features] = CAN_PROTOBUF;
        let mut options = Self { settings, compression: None, is_differing: false };
        for word in words {
            if word == "differ" {
                options.is_differing = true;
                continue;
            }
            let (name, value) = word.split_once('=').ok_or_else(|| format!("there is no option {word}"))?;
            let value: u64 = value.parse().map_err(|_| format!("the value of {name} is no number"))?;
            let key = match name {
                "compression" => {
                    options.compression = Some(value as u8);
                    continue;
                }
                "frame_bytes" => Key::MaxFrameBytes,
                "message_bytes" => Key::MaxMessageBytes,
                "streams" => Key::MaxStreams,
                "stream_window" => Key::StreamWindow,
                "connection_window" => Key::ConnectionWindow,
                "min_ping_ms" => Key::MinPingIntervalMs,
                "features" => Key::Features,
                name => return Err(format!("there is no option {name}")),
            };
            options.settings[key] = value;
        }
        Ok(options)
    }

    /// The methods of the interoperability service, with the fingerprints that are to be said.
    pub fn methods(&self) -> Vec<Method> {
        let files = FileDescriptorSet::decode(DESCRIPTORS).expect("they are protox's");
        let mut methods = fingerprint::methods(&files, Some(SERVICE));
        methods.iter_mut().for_each(|method| method.fingerprint ^= u64::from(self.is_differing));
        methods
    }

    pub fn hello(&self, side: Side) -> Hello {
        let mut settings = self.settings.clone();
        if side == Side::Client {
            settings[Key::MaxStreams] = 0;
        }
        let methods = if side == Side::Server { self.methods() } else { Vec::new() };
        Hello { settings, compressions: COMPRESSIONS.to_vec(), methods }
    }
}
