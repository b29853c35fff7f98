//! gRPC's interoperability service and test cases on the native protocol, which docs/protocol.md tells of:
//!
//! - `serve [OPTION...]` is the server, which prints its address;
//! - `case ADDRESS NAME [OPTION...]` makes a case, and prints its name if it passes;
//! - `fingerprints FILE` prints those of a set of descriptors, paths and numbers;
//! - `recode` takes messages by lines and returns them in both encodings.
//!
//! It shares no code with the runtime in Python, and is written from that page.

mod call;
mod cases;
mod client;
mod codec;
mod connection;
mod core;
mod fingerprint;
mod frame;
mod hello;
mod incoming;
mod metadata;
mod native_cases;
mod options;
mod outgoing;
mod patience;
mod receiving;
mod recode;
mod sending;
mod server;
mod service;
mod state;
mod wire;

#[allow(dead_code)] // the IDL does not use all types that protobuf brings
mod pb {
    include!(concat!(env!("OUT_DIR"), "/messages.rs"));
}

use std::{env, error::Error, fs};

use prost::Message;
use prost_types::FileDescriptorSet;

use crate::{client::Client, options::Options};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["serve", ..] => server::serve(&Options::parse(&arguments[1..])?),
        ["case", address, name, ..] => {
            cases::run(&Client::connect(address, Options::parse(&arguments[3..])?)?, name)?;
            println!("{name}");
            Ok(())
        }
        ["recode"] => Ok(recode::answer_lines()?),
        ["fingerprints", path] => {
            for method in fingerprint::methods(&FileDescriptorSet::decode(fs::read(path)?.as_slice())?, None) {
                println!("{} {}", method.path, method.fingerprint);
            }
            Ok(())
        }
        _ => Err("usage: serve [OPTION...] | case ADDRESS NAME [OPTION...] | fingerprints FILE | recode".into()),
    }
}
