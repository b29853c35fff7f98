//! A small EventFlux node over TCP: `serve` echoes every message, `call ADDRESS` sends messages and checks their echo.
//!
//! The frame is a big-endian u32 length and that many bytes of bincode 1.3; a length over the limit ends the connection.

use std::collections::HashMap;
use std::env;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

const LIMIT: usize = 10 * 1024 * 1024;
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum MessageType {
    Event,
    Query,
    State,
    Control,
    Heartbeat,
    Checkpoint,
}

const TYPES: [MessageType; 6] = [
    MessageType::Event,
    MessageType::Query,
    MessageType::State,
    MessageType::Control,
    MessageType::Heartbeat,
    MessageType::Checkpoint,
];

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Message {
    id: String,
    payload: Vec<u8>,
    headers: HashMap<String, String>,
    message_type: MessageType,
}

impl Message {
    fn new(id: String, message_type: MessageType, size: usize) -> Message {
        let payload = (0..size).map(|index| (index % 251) as u8).collect();
        let headers = HashMap::from([
            ("source_node".to_string(), "rust".to_string()),
            ("größe".to_string(), size.to_string()),
            (String::new(), String::new()),
        ]);
        Message { id, payload, headers, message_type }
    }
}

fn invalid(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

fn write_frame(stream: &mut TcpStream, message: &Message) -> io::Result<()> {
    let body = bincode::serialize(message).map_err(|error| invalid(error.to_string()))?;
    stream.write_all(&(body.len() as u32).to_be_bytes())?;
    stream.write_all(&body)
}

fn read_frame(stream: &mut TcpStream) -> io::Result<Message> {
    let mut header = [0; 4];
    stream.read_exact(&mut header)?;
    let length = u32::from_be_bytes(header) as usize;
    if length > LIMIT {
        return Err(invalid(format!("a frame of {length} bytes is over the limit of {LIMIT}")));
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    bincode::deserialize(&body).map_err(|error| invalid(error.to_string()))
}

fn echo(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    loop {
        let message = read_frame(&mut stream)?;
        write_frame(&mut stream, &message)?;
    }
}

fn serve() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    io::stdout().flush()?;
    for stream in listener.incoming() {
        let stream = stream?;
        thread::spawn(move || {
            if let Err(error) = echo(stream) {
                if error.kind() != io::ErrorKind::UnexpectedEof {
                    eprintln!("a connection ended: {error}");
                }
            }
        });
    }
    Ok(())
}

fn connect(address: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Sends every type with an empty, a small and a large payload, and compares each echo. Returns how many there were.
fn call(address: &str) -> io::Result<usize> {
    let mut stream = connect(address)?;
    let mut count = 0;
    for message_type in TYPES {
        for size in [0, 300, 1024 * 1024] {
            let message = Message::new(format!("rust-{count}"), message_type, size);
            write_frame(&mut stream, &message)?;
            let answer = read_frame(&mut stream)?;
            if answer != message {
                return Err(invalid(format!("{message_type:?} with {size} bytes came back changed")));
            }
            count += 1;
        }
    }
    Ok(count)
}

/// Sends a message just over the limit; the other side has to close the connection rather than answer.
fn exceed(address: &str) -> io::Result<()> {
    let mut stream = connect(address)?;
    let message = Message::new("too-long".to_string(), MessageType::Event, LIMIT);
    // The other side may close while this is under way.
    if let Err(error) = write_frame(&mut stream, &message) {
        let closed = [io::ErrorKind::BrokenPipe, io::ErrorKind::ConnectionReset];
        return if closed.contains(&error.kind()) { Ok(()) } else { Err(error) };
    }
    match read_frame(&mut stream) {
        Ok(_) => Err(invalid("a message over the limit was answered".to_string())),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(()),
        Err(error) => Err(error),
    }
}

/// Times one call after another with 300 bytes; prints microseconds, the median first.
fn time(address: &str, rounds: usize) -> io::Result<()> {
    let mut stream = connect(address)?;
    let message = Message::new("timed".to_string(), MessageType::Event, 300);
    let mut took = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let start = Instant::now();
        write_frame(&mut stream, &message)?;
        read_frame(&mut stream)?;
        took.push(start.elapsed().as_nanos() as f64 / 1000.0);
    }
    took.sort_by(f64::total_cmp);
    println!("{:.1} {:.1}", took[rounds / 2], took[rounds * 99 / 100]);
    Ok(())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["serve"] => serve(),
        ["call", address] => call(address).map(|count| println!("{count} messages came back unchanged")),
        ["exceed", address] => exceed(address).map(|()| println!("the connection was closed")),
        ["time", address, rounds] => time(address, rounds.parse().unwrap_or(1000)),
        _ => Err(invalid("say serve, call ADDRESS, exceed ADDRESS or time ADDRESS ROUNDS".to_string())),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
