//! Makes the messages and the descriptors of the IDL in the folder that `EVENTFLUX_TEST_IDL` names, without protoc.
//!
//! Each message derives serde, by which bincode gives it the native layout, beside prost's own protobuf. Of each there
//! is a row in a table, `recode.rs`, that finds its type by its full name.

use std::{env, error::Error, fmt::Write, fs, path::PathBuf};

use prost::Message;
use prost_build::Config;

const FILES: [&str; 4] = ["interop.proto", "inventory.proto", "kitchen.proto", "shared/known.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-env-changed=EVENTFLUX_TEST_IDL");
    let folder = PathBuf::from(env::var("EVENTFLUX_TEST_IDL")?);
    println!("cargo:rerun-if-changed={}", folder.display());
    let compiled = protox::compile(FILES, [&folder])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.binpb"), compiled.encode_to_vec())?;
    let mut rows = String::from("match name {\n");
    for file in compiled.file.iter().filter(|file| !file.package().starts_with("google.")) {
        for message in &file.message_type {
            let (package, name) = (file.package(), message.name());
            let path = package.replace('.', "::");
            writeln!(rows, "\"{package}.{name}\" => both::<crate::pb::{path}::{name}>(bytes, is_protobuf),")?;
        }
    }
    rows.push_str("_ => Err(format!(\"there is no {name}\")),\n}\n");
    fs::write(out.join("recode.rs"), rows)?;
    Config::new()
        .type_attribute(".", "#[derive(serde::Serialize, serde::Deserialize)]")
        .compile_well_known_types()
        .include_file("messages.rs")
        .compile_fds(compiled)?;
    Ok(())
}
