//! The service: what the methods answer.
//!
//! Three keys of a call's metadata are for tests of the protocol: `x-drain` has the server drain the call's connection,
//! `x-last-in-status` has the last response of a stream ride in the STATUS, and `x-twice` has the server break the rule of
//! one response, by a MESSAGE ahead of the STATUS.

use std::{thread, time::Duration};

use prost::Message;

use crate::{
    call::{Call, UNIMPLEMENTED},
    codec::Wire,
    core::Head,
    metadata::{find, Status},
    pb::grpc::testing::{
        EchoStatus, Empty, Payload, SimpleRequest, SimpleResponse, StreamingInputCallRequest,
        StreamingInputCallResponse, StreamingOutputCallRequest, StreamingOutputCallResponse,
    },
    sending::Sent,
};

const ECHO_INITIAL: &str = "x-grpc-test-echo-initial";
const ECHO_TRAILING: &str = "x-grpc-test-echo-trailing-bin";
const DETAIL_URL: &str = "type.googleapis.com/grpc.testing.EchoStatus";
const INVALID_ARGUMENT: u8 = 3;

type End = Result<(Status, Option<Sent>), Status>;

/// Answers a call up to its status, which comes with the message that is to ride in it.
pub fn answer(call: &Call, head: &Head, connection: usize) -> End {
    if find(&head.metadata, "x-drain").is_some() {
        let connection = call.connection.clone();
        thread::spawn(move || connection.drain());
    }
    if let Some(value) = find(&head.metadata, ECHO_INITIAL) {
        call.send_headers(&vec![(ECHO_INITIAL.into(), value.into())]);
    }
    let last = match call.method(head).as_str() {
        "EmptyCall" => Some(call.pack(&only::<Empty>(call)?)?),
        "UnaryCall" => Some(call.pack(&unary(call, &only(call)?, connection)?)?),
        "StreamingInputCall" => Some(call.pack(&sum(call)?)?),
        "StreamingOutputCall" => {
            let mut responses = Responses::of(call, head);
            responses.answer(&only(call)?)?;
            responses.last
        }
        "FullDuplexCall" => {
            let mut responses = Responses::of(call, head);
            while let Some(request) = call.receive(false)? {
                responses.answer(&request)?;
            }
            responses.last
        }
        name => return Err(Status::new(UNIMPLEMENTED, format!("{name} is not served"))),
    };
    if let (Some(last), Some(_)) = (&last, find(&head.metadata, "x-twice")) {
        call.send_packed(last.clone(), false)?;
    }
    let mut status = Status::default();
    if let Some(value) = find(&head.metadata, ECHO_TRAILING) {
        status.trailers.push((ECHO_TRAILING.into(), value.into()));
    }
    Ok((status, last))
}

fn only<M: Wire>(call: &Call) -> Result<M, Status> {
    call.receive(false)?.ok_or_else(|| Status::new(INVALID_ARGUMENT, "there is no request"))
}

fn payload(size: i32) -> Option<Payload> {
    Some(Payload { r#type: 0, body: vec![0; size as usize] })
}

fn check(wanted: &Option<EchoStatus>) -> Result<(), Status> {
    match wanted {
        Some(echo) if echo.code != 0 => {
            let mut status = Status::new(echo.code as u8, &echo.message);
            status.details.push((DETAIL_URL.into(), echo.encode_to_vec()));
            Err(status)
        }
        _ => Ok(()),
    }
}

/// Its user name tells how the request came, and its server id on which connection.
fn unary(call: &Call, request: &SimpleRequest, connection: usize) -> Result<SimpleResponse, Status> {
    check(&request.response_status)?;
    let encoding = if call.is_protobuf { "protobuf" } else { "native" };
    let compressed = if call.stream(|stream| stream.has_compressed) { ", compressed" } else { "" };
    let username = if request.fill_username { format!("{encoding}{compressed}") } else { String::new() };
    let server_id = if request.fill_server_id { format!("connection {connection}") } else { String::new() };
    Ok(SimpleResponse { payload: payload(request.response_size), username, server_id, ..Default::default() })
}

fn sum(call: &Call) -> Result<StreamingInputCallResponse, Status> {
    let mut size = 0;
    while let Some(request) = call.receive::<StreamingInputCallRequest>(false)? {
        size += request.payload.map_or(0, |payload| payload.body.len()) as i32;
    }
    Ok(StreamingInputCallResponse { aggregated_payload_size: size })
}

/// The responses of a stream: each is sent when the next one is known, if the last is to ride in the STATUS.
struct Responses<'a> {
    call: &'a Call,
    is_late: bool,
    last: Option<Sent>,
}

impl<'a> Responses<'a> {
    fn of(call: &'a Call, head: &Head) -> Self {
        Self { call, is_late: find(&head.metadata, "x-last-in-status").is_some(), last: None }
    }

    fn answer(&mut self, request: &StreamingOutputCallRequest) -> Result<(), Status> {
        check(&request.response_status)?;
        for wanted in &request.response_parameters {
            self.call.pause(Duration::from_micros(wanted.interval_us as u64))?;
            let response = self.call.pack(&StreamingOutputCallResponse { payload: payload(wanted.size) })?;
            let ready = if self.is_late { self.last.replace(response) } else { Some(response) };
            if let Some(ready) = ready {
                self.call.send_packed(ready, false)?;
            }
        }
        Ok(())
    }
}
