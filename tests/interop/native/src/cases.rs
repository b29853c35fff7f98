//! gRPC's cases, made by the client; https://github.com/grpc/grpc/blob/master/doc/interop-test-descriptions.md tells them.

use std::{error::Error, time::Duration};

use crate::{
    call::{Call, CANCELLED, DEADLINE_EXCEEDED, UNIMPLEMENTED},
    client::{Client, With},
    metadata::{find, Metadata, Status},
    native_cases,
    pb::grpc::testing::{
        EchoStatus, Empty, Payload, ResponseParameters, SimpleRequest, SimpleResponse, StreamingInputCallRequest,
        StreamingInputCallResponse, StreamingOutputCallRequest, StreamingOutputCallResponse,
    },
};

pub type Outcome = Result<(), Box<dyn Error>>;

const ECHO_INITIAL: &str = "x-grpc-test-echo-initial";
const ECHO_TRAILING: &str = "x-grpc-test-echo-trailing-bin";
const UNIMPLEMENTED_PATH: &str = "/grpc.testing.UnimplementedService/UnimplementedCall";
const UNKNOWN: u8 = 2;
const REQUEST_BYTES: usize = 271828;
pub const RESPONSE_BYTES: i32 = 314159;
const REQUESTS: [usize; 4] = [27182, 8, 1828, 45904];
const RESPONSES: [i32; 4] = [31415, 9, 2653, 58979];
const SPECIAL_TEXT: &str = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n";

impl Error for Status {}

impl std::fmt::Display for Status {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "status {}: {}", self.code, self.text)
    }
}

/// Makes a case.
pub fn run(client: &Client, name: &str) -> Outcome {
    match name {
        "empty_unary" => empty_unary(client),
        "large_unary" => large_unary(client),
        "client_streaming" => client_streaming(client),
        "server_streaming" => server_streaming(client),
        "ping_pong" => ping_pong(client),
        "empty_stream" => empty_stream(client),
        "custom_metadata" => custom_metadata(client),
        "status_code_and_message" => status_code_and_message(client),
        "special_status_message" => special_status_message(client),
        "unimplemented_method" => unimplemented(client, "UnimplementedCall"),
        "unimplemented_service" => unimplemented(client, UNIMPLEMENTED_PATH),
        "cancel_after_begin" => cancel_after_begin(client),
        "cancel_after_first_response" => cancel_after_first_response(client),
        "timeout_on_sleeping_server" => timeout_on_sleeping_server(client),
        name => native_cases::run(client, name),
    }
}

pub fn payload(size: usize) -> Option<Payload> {
    Some(Payload { r#type: 0, body: vec![0; size] })
}

pub fn large_request() -> SimpleRequest {
    SimpleRequest { response_size: RESPONSE_BYTES, payload: payload(REQUEST_BYTES), ..Default::default() }
}

pub fn asking_for(wanted: &[i32], sent: usize) -> StreamingOutputCallRequest {
    let parameters = wanted.iter().map(|&size| ResponseParameters { size, ..Default::default() });
    StreamingOutputCallRequest {
        response_parameters: parameters.collect(),
        payload: payload(sent),
        ..Default::default()
    }
}

pub fn size_of(payload: Option<Payload>) -> i32 {
    payload.map_or(-1, |payload| payload.body.len() as i32)
}

pub fn ensure(is_so: bool, what: impl Into<String>) -> Outcome {
    if is_so {
        Ok(())
    } else {
        Err(what.into().into())
    }
}

/// How a call ended that had to fail.
pub fn failure<T>(result: Result<T, Status>) -> Result<Status, Box<dyn Error>> {
    match result {
        Ok(_) => Err("the call succeeded".into()),
        Err(status) => Ok(status),
    }
}

fn ensure_status<T>(result: Result<T, Status>, code: u8, text: Option<&str>) -> Outcome {
    let status = failure(result)?;
    let is_so = status.code == code && text.is_none_or(|text| text == status.text);
    ensure(is_so, format!("not {code} {text:?} but {status}"))
}

/// The size of the next response's payload; none after the last.
pub fn next_size(call: &Call) -> Result<Option<i32>, Status> {
    let response: Option<StreamingOutputCallResponse> = call.receive(true)?;
    Ok(response.map(|response| size_of(response.payload)))
}

pub fn ensure_ok(call: &Call) -> Outcome {
    ensure(next_size(call)?.is_none(), "there is a response too many")?;
    let status = call.status()?;
    ensure(status.code == 0, status.to_string())
}

pub fn full_duplex(client: &Client, first: Option<&StreamingOutputCallRequest>, with: &With) -> Result<Call, Status> {
    client.open("FullDuplexCall", first, false, with)
}

fn empty_unary(client: &Client) -> Outcome {
    client.unary::<_, Empty>("EmptyCall", &Empty {}, &With::default())?;
    Ok(())
}

fn large_unary(client: &Client) -> Outcome {
    let (response, _): (SimpleResponse, _) = client.unary("UnaryCall", &large_request(), &With::default())?;
    ensure(size_of(response.payload) == RESPONSE_BYTES, "the response has another size")
}

fn client_streaming(client: &Client) -> Outcome {
    let call = client.open("StreamingInputCall", None::<&Empty>, false, &With::default())?;
    for size in REQUESTS {
        let request = StreamingInputCallRequest { payload: payload(size), ..Default::default() };
        ensure(call.send(&request, false)?, "the call ended too soon")?;
    }
    call.half_close();
    let response: Option<StreamingInputCallResponse> = call.receive(true)?;
    ensure(response.is_some_and(|response| response.aggregated_payload_size == 74922), "the sum differs")
}

fn server_streaming(client: &Client) -> Outcome {
    let call = client.open("StreamingOutputCall", Some(&asking_for(&RESPONSES, 0)), true, &With::default())?;
    for wanted in RESPONSES {
        ensure(next_size(&call)? == Some(wanted), "a size differs")?;
    }
    ensure_ok(&call)
}

fn ping_pong(client: &Client) -> Outcome {
    let call = full_duplex(client, None, &With::default())?;
    for (sent, wanted) in REQUESTS.into_iter().zip(RESPONSES) {
        call.send(&asking_for(&[wanted], sent), false)?;
        ensure(next_size(&call)? == Some(wanted), "a size differs")?;
    }
    call.half_close();
    ensure_ok(&call)
}

fn empty_stream(client: &Client) -> Outcome {
    let call = full_duplex(client, None, &With::default())?;
    call.half_close();
    ensure_ok(&call)
}

fn check_echoed(initial: &Metadata, trailers: &Metadata) -> Outcome {
    let initial = find(initial, ECHO_INITIAL);
    ensure(initial == Some(b"test_initial_metadata_value".as_slice()), "the initial metadata differ")?;
    ensure(find(trailers, ECHO_TRAILING) == Some([0xab; 3].as_slice()), "the trailing metadata differ")
}

fn custom_metadata(client: &Client) -> Outcome {
    let initial = (ECHO_INITIAL.into(), b"test_initial_metadata_value".to_vec());
    let with = With { metadata: vec![initial, (ECHO_TRAILING.into(), vec![0xab; 3])], ..With::default() };
    let (_, call): (SimpleResponse, _) = client.unary("UnaryCall", &large_request(), &with)?;
    check_echoed(&call.initial()?, &call.status()?.trailers)?;
    let call = full_duplex(client, None, &with)?;
    call.send(&asking_for(&[RESPONSE_BYTES], REQUEST_BYTES), true)?;
    let initial = call.initial()?;
    ensure(next_size(&call)? == Some(RESPONSE_BYTES), "the response has another size")?;
    ensure_ok(&call)?;
    check_echoed(&initial, &call.status()?.trailers)
}

pub fn echo(text: &str) -> Option<EchoStatus> {
    Some(EchoStatus { code: UNKNOWN.into(), message: text.into() })
}

fn status_code_and_message(client: &Client) -> Outcome {
    let text = "test status message";
    let request = SimpleRequest { response_status: echo(text), ..Default::default() };
    let unary = client.unary::<_, SimpleResponse>("UnaryCall", &request, &With::default());
    ensure_status(unary, UNKNOWN, Some(text))?;
    let call = full_duplex(client, None, &With::default())?;
    call.send(&StreamingOutputCallRequest { response_status: echo(text), ..Default::default() }, true)?;
    ensure_status(next_size(&call), UNKNOWN, Some(text))
}

fn special_status_message(client: &Client) -> Outcome {
    let request = SimpleRequest { response_status: echo(SPECIAL_TEXT), ..Default::default() };
    let unary = client.unary::<_, SimpleResponse>("UnaryCall", &request, &With::default());
    ensure_status(unary, UNKNOWN, Some(SPECIAL_TEXT))
}

fn unimplemented(client: &Client, name: &str) -> Outcome {
    let unary = client.unary::<_, Empty>(name, &Empty {}, &With::default());
    ensure_status(unary, UNIMPLEMENTED, None)
}

fn cancel_after_begin(client: &Client) -> Outcome {
    let call = client.open("StreamingInputCall", None::<&Empty>, false, &With::default())?;
    call.cancel(CANCELLED, "the case wants it");
    // The connection is as good as before.
    empty_unary(client)
}

fn cancel_after_first_response(client: &Client) -> Outcome {
    let call = full_duplex(client, None, &With::default())?;
    call.send(&asking_for(&RESPONSES[..1], REQUESTS[0]), false)?;
    ensure(next_size(&call)? == Some(RESPONSES[0]), "the response has another size")?;
    call.cancel(CANCELLED, "the case wants it");
    empty_unary(client)
}

fn timeout_on_sleeping_server(client: &Client) -> Outcome {
    let with = With { timeout: Some(Duration::from_millis(1)), ..With::default() };
    let call = full_duplex(client, None, &with)?;
    let sent = call.send(&asking_for(&[], REQUESTS[0]), false);
    ensure_status(sent.and_then(|_| next_size(&call)), DEADLINE_EXCEEDED, None)
}
