//! Cases of what only the native protocol has.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::{
    call::{Call, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, UNAVAILABLE, UNIMPLEMENTED},
    cases::{
        asking_for, echo, ensure, ensure_ok, failure, full_duplex, large_request, next_size, payload, size_of, Outcome,
        RESPONSE_BYTES,
    },
    client::{Client, With},
    core::Core,
    frame,
    hello::Key,
    pb::grpc::testing::{Empty, SimpleRequest, SimpleResponse},
};

const LONG: Duration = Duration::from_secs(30);
const INTERNAL: u8 = 13;
const BURST: u64 = 10;
const HUGE: i32 = 3_000_000;

/// Makes a case.
pub fn run(client: &Client, name: &str) -> Outcome {
    match name {
        "compressed_response" => compressed_response(client),
        "server_deadline" => server_deadline(client),
        "first_message_in_open" => first_message_in_open(client),
        "drain" => drain(client),
        "extension_frame" => extension_frame(client),
        "huge_messages" => huge_messages(client),
        "many_streams" => many_streams(client),
        "ping" => ping(client),
        "status_details" => status_details(client),
        "too_large_message" => too_large_message(client),
        "too_many_pings" => too_many_pings(client),
        "too_many_streams" => too_many_streams(client),
        "unannounced_protobuf" => unannounced_protobuf(client),
        "unasked_protobuf" => unasked_protobuf(client),
        "unknown_method_id" => unknown_method_id(client),
        name => Err(format!("there is no case {name}").into()),
    }
}

/// What `look` finds before a test is given up.
fn wait<T>(client: &Client, look: impl FnMut(&mut Core) -> Option<T>) -> Result<T, String> {
    client.connection.wait(Some(Instant::now() + LONG), look).ok_or("it did not come to pass".into())
}

/// The code with which the server ended the connection.
fn goaway_code(client: &Client) -> Result<(u8, String), String> {
    wait(client, |core| core.peer_leaves.as_ref().map(|goaway| (goaway.code, goaway.reason.clone())))
}

fn compressed_response(client: &Client) -> Outcome {
    let (_, call): (SimpleResponse, _) = client.unary("UnaryCall", &large_request(), &With::default())?;
    ensure(call.stream(|stream| stream.has_compressed), "the response came plain")
}

/// The server watches the deadline, too: this client does not, beyond the one that it says.
fn server_deadline(client: &Client) -> Outcome {
    let head = client.head("FullDuplexCall", &With { timeout: Some(Duration::from_millis(1)), ..With::default() })?;
    let id = client.connection.update(|core| core.open(head, None, false));
    let status = wait(client, |core| core.streams[&id].status.clone())?;
    ensure(status.code == DEADLINE_EXCEEDED, status.to_string())
}

/// The first of several messages may ride in the OPEN.
fn first_message_in_open(client: &Client) -> Outcome {
    let call = full_duplex(client, Some(&asking_for(&[10], 10)), &With::default())?;
    ensure(next_size(&call)? == Some(10), "a size differs")?;
    call.send(&asking_for(&[20], 10), true)?;
    ensure(next_size(&call)? == Some(20), "a size differs")?;
    ensure_ok(&call)
}

/// A server that leaves while a call is under way lets it end, and takes no other.
fn drain(client: &Client) -> Outcome {
    let call = full_duplex(client, None, &With::default())?;
    call.send(&asking_for(&[10], 10), false)?;
    ensure(next_size(&call)? == Some(10), "a size differs")?;
    let leaving = wait(client, |core| core.peer_leaves.clone())?;
    ensure((leaving.code, leaving.last) == (0, call.id), format!("code {}, last {}", leaving.code, leaving.last))?;
    let later = failure(client.open("EmptyCall", Some(&Empty {}), true, &With::default()))?;
    ensure(later.code == UNAVAILABLE, later.to_string())?;
    call.send(&asking_for(&[20], 10), true)?;
    ensure(next_size(&call)? == Some(20), "a size differs")?;
    ensure_ok(&call)
}

/// A frame of a type that the server does not know, with flags and a stream that mean nothing.
fn extension_frame(client: &Client) -> Outcome {
    client.connection.update(|core| frame::put(&mut core.out, 200, 0xff, 77, &[b"from another version"]));
    client.unary::<_, Empty>("EmptyCall", &Empty {}, &With::default())?;
    Ok(())
}

/// Messages that no window holds.
fn huge_messages(client: &Client) -> Outcome {
    let request = SimpleRequest { response_size: HUGE, payload: payload(HUGE as usize), ..Default::default() };
    let (response, _): (SimpleResponse, _) = client.unary("UnaryCall", &request, &With::default())?;
    ensure(size_of(response.payload) == HUGE, "the response has another size")
}

/// Calls beside each other, whose messages are larger than the windows; each takes its responses late.
fn many_streams(client: &Client) -> Outcome {
    let sizes = [70_000, 5, 0, 150_000];
    let with = With::default();
    let exchange = |call: &Call| -> Result<bool, String> {
        for size in sizes {
            call.send(&asking_for(&[size], size as usize), false).map_err(|status| status.to_string())?;
        }
        call.half_close();
        let taken: Result<Vec<_>, _> = sizes.iter().map(|_| next_size(call)).collect();
        ensure_ok(call).map_err(|error| error.to_string())?;
        Ok(taken.map_err(|status| status.to_string())? == sizes.map(Some))
    };
    thread::scope(|scope| {
        let opened: Result<Vec<_>, _> = (0..8).map(|_| full_duplex(client, None, &with)).collect();
        let running: Vec<_> = opened?.into_iter().map(|call| scope.spawn(move || exchange(&call))).collect();
        for one in running {
            ensure(one.join().expect("it does not panic")?, "the sizes differ")?;
        }
        Ok(())
    })
}

fn ping(client: &Client) -> Outcome {
    let sent: Vec<[u8; 8]> = (0..BURST).map(u64::to_le_bytes).collect();
    for bytes in &sent {
        client.connection.update(|core| frame::put(&mut core.out, frame::PING, 0, 0, &[bytes]));
    }
    let pongs = wait(client, |core| (core.pongs.len() == sent.len()).then(|| core.pongs.clone()))?;
    ensure(pongs == sent, format!("the pongs are {pongs:?}"))
}

fn status_details(client: &Client) -> Outcome {
    let request = SimpleRequest { response_status: echo("with details"), ..Default::default() };
    let status = failure(client.unary::<_, SimpleResponse>("UnaryCall", &request, &With::default()))?;
    let expected = [("type.googleapis.com/demo.One".to_string(), b"\x08\x01".to_vec()), ("two".into(), vec![])];
    ensure(status.details == expected, format!("the details are {:?}", status.details))?;
    let trailers = [("x-text".to_string(), b"of trailers".to_vec()), ("x-bytes-bin".into(), vec![0, 255])];
    ensure(status.trailers == trailers, format!("the trailers are {:?}", status.trailers))
}

/// A request over the server's limit ends its call alone.
fn too_large_message(client: &Client) -> Outcome {
    let max_bytes = client.connection.update(|core| {
        let set = &mut core.theirs.settings[Key::MaxMessageBytes];
        std::mem::replace(set, u64::MAX)
    });
    let request = SimpleRequest { payload: payload(max_bytes as usize), ..Default::default() };
    let status = failure(client.unary::<_, SimpleResponse>("UnaryCall", &request, &With::default()))?;
    ensure(status.code == RESOURCE_EXHAUSTED, status.to_string())?;
    client.unary::<_, Empty>("EmptyCall", &Empty {}, &With::default())?;
    Ok(())
}

fn too_many_pings(client: &Client) -> Outcome {
    for _ in 0..3 * BURST {
        client.connection.update(|core| frame::put(&mut core.out, frame::PING, 0, 0, &[&[0; 8]]));
    }
    let (code, reason) = goaway_code(client)?;
    ensure(code == RESOURCE_EXHAUSTED && reason.starts_with("too_many_pings"), format!("{code}: {reason}"))
}

fn too_many_streams(client: &Client) -> Outcome {
    let with = With::default();
    let allowed: Result<Vec<_>, _> = (0..client.max_streams()).map(|_| full_duplex(client, None, &with)).collect();
    let one_more = full_duplex(client, None, &with)?;
    let status = one_more.status()?;
    let is_unprocessed = one_more.stream(|stream| stream.is_unprocessed);
    ensure(status.code == RESOURCE_EXHAUSTED && is_unprocessed, status.to_string())?;
    for call in allowed? {
        call.half_close();
        ensure_ok(&call)?;
    }
    Ok(())
}

/// A client that has not said that it speaks protobuf must not ask for it.
fn unannounced_protobuf(client: &Client) -> Outcome {
    let mut head = client.head("EmptyCall", &With::default())?;
    head.is_protobuf = true;
    let call = client.open_as(head, Some(&Empty {}), true)?;
    let status = failure(call.receive::<Empty>(true))?;
    ensure(status.code == UNIMPLEMENTED, status.to_string())
}

/// A client may use protobuf even where the fingerprints are equal.
fn unasked_protobuf(client: &Client) -> Outcome {
    let mut head = client.head("UnaryCall", &With::default())?;
    ensure(!head.is_protobuf, "the fingerprints differ")?;
    head.is_protobuf = true;
    let call = client.open_as(head, Some(&large_request()), true)?;
    let response: Option<SimpleResponse> = call.receive(true)?;
    let size = response.map(|response| size_of(response.payload));
    ensure(size == Some(RESPONSE_BYTES), "the response has another size")
}

fn unknown_method_id(client: &Client) -> Outcome {
    let mut head = client.head("EmptyCall", &With::default())?;
    head.method = client.connection.update(|core| core.theirs.methods.len()) as u16;
    let call = client.open_as(head, Some(&Empty {}), true)?;
    let status = failure(call.receive::<Empty>(true))?;
    ensure(status.code == UNAVAILABLE, status.to_string())?;
    let (code, reason) = goaway_code(client)?;
    ensure(code == INTERNAL, format!("{code}: {reason}"))
}
