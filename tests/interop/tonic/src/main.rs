//! gRPC's interoperability service and test cases on tonic: `serve` is the server, `case ADDRESS NAME...` makes cases.
//! The rules are those of https://github.com/grpc/grpc/blob/master/doc/interop-test-descriptions.md.

mod cases;
mod service;

mod pb {
    tonic::include_proto!("grpc.testing");
}

use std::{env, error::Error};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.split_first() {
        Some((mode, _)) if mode == "serve" => service::serve().await,
        Some((mode, rest)) if mode == "case" && rest.len() > 1 => cases::run(&rest[0], &rest[1..]).await,
        _ => Err("usage: serve | case ADDRESS NAME...".into()),
    }
}
