//! The server: a thread for each connection, and one for each call.

use std::{
    error::Error,
    net::{TcpListener, TcpStream},
    sync::Arc,
    thread,
};

use crate::{call::Call, connection::Connection, core::Side, options::Options, service};

/// Serves on a port of its own, whose address it prints, until it is ended.
pub fn serve(options: &Options) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    for (number, socket) in listener.incoming().enumerate() {
        let (socket, options) = (socket?, options.clone());
        thread::spawn(move || serve_connection(number, socket, &options));
    }
    Ok(())
}

fn serve_connection(number: usize, socket: TcpStream, options: &Options) {
    let connection = match Connection::start(socket, Side::Server, options.hello(Side::Server)) {
        Ok(connection) => connection,
        Err(error) => return eprintln!("no handshake: {error}"),
    };
    loop {
        let next = connection.wait(None, |core| match core.accepted.pop_front() {
            Some(id) => Some(Some((id, core.streams[&id].head.clone()))),
            None => core.end.is_some().then_some(None),
        });
        let Some((id, head)) = next.flatten() else { break };
        let call = Call::new(Arc::clone(&connection), id, &head, options.compression);
        thread::spawn(move || {
            let end = service::answer(&call, &head, number);
            let end = end.and_then(|(status, message)| call.finish(&status, message));
            if let Err(status) = end {
                call.give_up(&status);
            }
        });
    }
}
