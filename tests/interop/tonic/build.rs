//! Generates the client and the server of the IDL whose path is in `EVENTFLUX_INTEROP_PROTO`, without protoc.

use std::{env, path::PathBuf};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-env-changed=EVENTFLUX_INTEROP_PROTO");
    let proto = PathBuf::from(env::var("EVENTFLUX_INTEROP_PROTO")?);
    println!("cargo:rerun-if-changed={}", proto.display());
    let folder = proto.parent().ok_or("the IDL lies in no folder")?;
    let descriptors = protox::compile([&proto], [folder])?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}
