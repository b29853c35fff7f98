//! Messages from one encoding to both: the judge of the native layout for all that an IDL can say.

use std::io::{self, BufRead, Write};

use crate::codec::{decode, encode, Wire};

type Both = (Vec<u8>, Vec<u8>);

fn both<M: Wire>(bytes: &[u8], is_protobuf: bool) -> Result<Both, String> {
    let message: M = decode(bytes, is_protobuf)?;
    Ok((encode(&message, false), encode(&message, true)))
}

fn recode(name: &str, bytes: &[u8], is_protobuf: bool) -> Result<Both, String> {
    include!(concat!(env!("OUT_DIR"), "/recode.rs"))
}

fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let pairs = (0..digits.len()).step_by(2).map(|at| digits.get(at..at + 2));
    pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect()
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn answer(line: &str) -> Result<Both, String> {
    let mut words = line.split(' ');
    let (Some(name), Some(encoding), Some(digits)) = (words.next(), words.next(), words.next()) else {
        return Err("not a name, an encoding and digits".into());
    };
    recode(name, &from_hex(digits).ok_or("not hex")?, encoding == "protobuf")
}

/// Answers each line `NAME native|protobuf HEX` with `NATIVE PROTOBUF`, both in hex, or with `error WHY`.
pub fn answer_lines() -> io::Result<()> {
    let mut out = io::stdout();
    for line in io::stdin().lock().lines() {
        match answer(&line?) {
            Ok((native, protobuf)) => writeln!(out, "{} {}", to_hex(&native), to_hex(&protobuf))?,
            Err(why) => writeln!(out, "error {why}")?,
        }
        out.flush()?;
    }
    Ok(())
}
