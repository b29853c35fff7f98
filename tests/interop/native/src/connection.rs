//! A connection: a core, a socket, a thread that reads and one that writes.

use std::{
    io::{self, Write},
    net::{Shutdown, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread,
    time::{Duration, Instant},
};

use crate::{
    core::{Core, Side},
    frame,
    hello::{greet_client, greet_server, Hello, Key},
    wire::Violation,
};

const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a client may take to close after a drain.
const GRACE: Duration = Duration::from_millis(500);

/// Whoever changes the core tells all who wait for a change.
pub struct Connection {
    core: Mutex<Core>,
    changed: Condvar,
    socket: TcpStream,
}

impl Connection {
    /// Greets the peer and begins to read and write.
    pub fn start(mut socket: TcpStream, side: Side, ours: Hello) -> io::Result<Arc<Self>> {
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(HANDSHAKE))?;
        let greeting = match side {
            Side::Client => greet_server(&mut socket, &ours),
            Side::Server => greet_client(&mut socket, &ours),
        };
        let theirs = greeting.map_err(|violation| {
            let mut out = Vec::new();
            frame::put(&mut out, frame::GOAWAY, 0, 0, &[&[0; 4], &[violation.code], violation.reason.as_bytes()]);
            let _ = socket.write_all(&out);
            io::Error::other(violation.to_string())
        })?;
        socket.set_read_timeout(None)?;
        let core = Mutex::new(Core::new(side, ours, theirs));
        let connection = Arc::new(Self { core, changed: Condvar::new(), socket });
        let (reader, writer) = (connection.clone(), connection.clone());
        thread::spawn(move || reader.read_frames());
        thread::spawn(move || writer.write_frames());
        Ok(connection)
    }

    fn lock(&self) -> MutexGuard<'_, Core> {
        self.core.lock().expect("no thread panics with it")
    }

    /// Changes the core.
    pub fn update<T>(&self, change: impl FnOnce(&mut Core) -> T) -> T {
        let result = change(&mut self.lock());
        self.changed.notify_all();
        result
    }

    /// What `look` finds, once it finds something; none if the deadline passes before.
    pub fn wait<T>(&self, deadline: Option<Instant>, mut look: impl FnMut(&mut Core) -> Option<T>) -> Option<T> {
        let mut core = self.lock();
        loop {
            if let Some(found) = look(&mut core) {
                self.changed.notify_all();
                return Some(found);
            }
            core = match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                None => self.changed.wait(core).expect("no thread panics with it"),
                Some(Duration::ZERO) => return None,
                Some(left) => self.changed.wait_timeout(core, left).expect("no thread panics with it").0,
            };
        }
    }

    fn read_frames(&self) {
        let max_bytes = self.lock().ours.settings[Key::MaxFrameBytes];
        let why = loop {
            match frame::read(&mut &self.socket, max_bytes) {
                Ok(None) => break "the peer closed the connection".into(),
                Ok(Some(frame)) => {
                    if let Err(violation) = self.update(|core| core.receive(frame)) {
                        break self.accuse(&violation);
                    }
                }
                Err(violation) => break self.accuse(&violation),
            }
        };
        self.update(|core| core.fail(why));
    }

    fn accuse(&self, violation: &Violation) -> String {
        eprintln!("the peer breaks the page: {violation}");
        self.update(|core| core.leave(violation.code, &violation.reason));
        violation.to_string()
    }

    fn write_frames(&self) {
        loop {
            let out = self.wait(None, |core| match std::mem::take(&mut core.out) {
                out if out.is_empty() && core.end.is_none() => None,
                out => Some(out),
            });
            let out = out.unwrap_or_default();
            if out.is_empty() {
                break;
            }
            if let Err(error) = (&self.socket).write_all(&out) {
                self.update(|core| core.fail(error.to_string()));
                break;
            }
        }
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    /// Closes once all that was sent before is written; calls that have not ended fail.
    pub fn close(&self) {
        self.update(|core| core.fail("closed here".into()));
    }

    /// Takes no further calls; the client closes after its last call, or is cut off.
    pub fn drain(&self) {
        self.update(|core| core.leave(0, "the server drains"));
        self.wait(None, |core| (core.open_calls() == 0 || core.end.is_some()).then_some(()));
        self.wait(Some(Instant::now() + GRACE), |core| core.end.is_some().then_some(()));
        self.close();
    }
}
