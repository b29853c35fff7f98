//! The client: calls on one connection.

use std::{io, net::TcpStream, sync::Arc, time::Duration};

use crate::{
    call::{pack, Call, UNAVAILABLE, UNIMPLEMENTED},
    codec::Wire,
    connection::Connection,
    core::{Head, Side},
    hello::{Key, Method},
    metadata::{Metadata, Status},
    options::{Options, SERVICE},
};

/// What a call has beside its messages.
#[derive(Default)]
pub struct With {
    pub metadata: Metadata,
    pub timeout: Option<Duration>,
}

pub struct Client {
    pub connection: Arc<Connection>,
    options: Options,
    methods: Vec<Method>,
}

impl Client {
    pub fn connect(address: &str, options: Options) -> io::Result<Self> {
        let socket = TcpStream::connect(address)?;
        let connection = Connection::start(socket, Side::Client, options.hello(Side::Client))?;
        Ok(Self { connection, methods: options.methods(), options })
    }

    /// The id that the server's list gives a method, and whether its messages are protobuf.
    fn resolve(&self, path: &str) -> Result<(u16, bool), Status> {
        self.connection.update(|core| {
            let index = core.theirs.methods.iter().position(|method| method.path == path);
            let index = index.ok_or_else(|| Status::new(UNIMPLEMENTED, format!("{path} is not served")))?;
            let theirs = core.theirs.methods[index].fingerprint;
            let ours = self.methods.iter().find(|method| method.path == path).map_or(0, |method| method.fingerprint);
            if ours != theirs && !core.is_protobuf_possible() {
                return Err(Status::new(UNIMPLEMENTED, format!("{path} is {ours:#x} here and {theirs:#x} there")));
            }
            Ok((index as u16, ours != theirs))
        })
    }

    pub fn head(&self, name: &str, with: &With) -> Result<Head, Status> {
        let path = if name.starts_with('/') { name.into() } else { format!("/{SERVICE}/{name}") };
        let (method, is_protobuf) = self.resolve(&path)?;
        let timeout_us = with.timeout.map(|timeout| timeout.as_micros() as u64);
        Ok(Head { method, timeout_us, metadata: with.metadata.clone(), is_protobuf })
    }

    /// Opens a call; its first message rides in the OPEN if it fits, and may be the last.
    pub fn open<M: Wire>(&self, name: &str, first: Option<&M>, is_last: bool, with: &With) -> Result<Call, Status> {
        self.open_as(self.head(name, with)?, first, is_last)
    }

    /// Opens a call whatever the server has said.
    pub fn open_as<M: Wire>(&self, head: Head, first: Option<&M>, is_last: bool) -> Result<Call, Status> {
        let compression = self.options.compression;
        let first = first.map(|first| pack(&self.connection, first, head.is_protobuf, compression)).transpose()?;
        let id = self.connection.update(|core| {
            if core.end.is_some() || core.peer_leaves.is_some() {
                return Err(Status::new(UNAVAILABLE, "the server has left"));
            }
            Ok(core.open(head.clone(), first, is_last))
        })?;
        Ok(Call::new(Arc::clone(&self.connection), id, &head, compression))
    }

    pub fn unary<Q: Wire, R: Wire>(&self, name: &str, request: &Q, with: &With) -> Result<(R, Call), Status> {
        let call = self.open(name, Some(request), true, with)?;
        let Some(response) = call.receive(true)? else { return Err(Status::new(UNIMPLEMENTED, "no response")) };
        match call.receive::<R>(true)? {
            None => Ok((response, call)),
            Some(_) => Err(Status::new(UNIMPLEMENTED, "a second response")),
        }
    }

    /// How many calls the server takes at a time.
    pub fn max_streams(&self) -> u64 {
        self.connection.update(|core| core.theirs.settings[Key::MaxStreams])
    }
}
