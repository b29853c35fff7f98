//! The client.

use std::{error::Error, time::Duration};

use tokio::sync::mpsc;
use tokio_stream::{wrappers::ReceiverStream, StreamExt};
use tonic::{
    codec::CompressionEncoding,
    metadata::{BinaryMetadataValue, MetadataMap},
    transport::{Channel, Endpoint},
    Code, Request, Status,
};

use crate::pb::{
    test_service_client::TestServiceClient, unimplemented_service_client::UnimplementedServiceClient, BoolValue,
    EchoStatus, Empty, Payload, ResponseParameters, SimpleRequest, StreamingInputCallRequest,
    StreamingOutputCallRequest,
};

type Client = TestServiceClient<Channel>;
type Outcome = Result<(), Box<dyn Error>>;

const ECHO_INITIAL: &str = "x-grpc-test-echo-initial";
const ECHO_TRAILING: &str = "x-grpc-test-echo-trailing-bin";
const REQUEST_BYTES: usize = 271828;
const RESPONSE_BYTES: i32 = 314159;
const REQUESTS: [usize; 4] = [27182, 8, 1828, 45904];
const RESPONSES: [i32; 4] = [31415, 9, 2653, 58979];
const SPECIAL_TEXT: &str = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n";

/// Makes cases one after another, and prints the name of each that passed.
pub async fn run(address: &str, names: &[String]) -> Outcome {
    let channel = Endpoint::new(format!("http://{address}"))?.connect().await?;
    let client = TestServiceClient::new(channel.clone());
    for name in names {
        match name.as_str() {
            "empty_unary" => empty_unary(client.clone()).await?,
            "large_unary" => large_unary(client.clone()).await?,
            "client_compressed_unary" => client_compressed_unary(client.clone()).await?,
            "server_compressed_unary" => server_compressed_unary(client.clone()).await?,
            "client_streaming" => client_streaming(client.clone()).await?,
            "server_streaming" => server_streaming(client.clone()).await?,
            "ping_pong" => ping_pong(client.clone()).await?,
            "empty_stream" => empty_stream(client.clone()).await?,
            "custom_metadata" => custom_metadata(client.clone()).await?,
            "status_code_and_message" => status_code_and_message(client.clone()).await?,
            "special_status_message" => special_status_message(client.clone()).await?,
            "unimplemented_service" => unimplemented_service(channel.clone()).await?,
            "cancel_after_begin" => cancel_after_begin(client.clone()).await?,
            "cancel_after_first_response" => cancel_after_first_response(client.clone()).await?,
            "timeout_on_sleeping_server" => timeout_on_sleeping_server(client.clone()).await?,
            _ => return Err(format!("there is no case {name}").into()),
        }
        println!("{name}");
    }
    Ok(())
}

fn payload(size: usize) -> Option<Payload> {
    Some(Payload { r#type: 0, body: vec![0; size] })
}

fn large_request() -> SimpleRequest {
    SimpleRequest { response_size: RESPONSE_BYTES, payload: payload(REQUEST_BYTES), ..Default::default() }
}

fn asking_for(wanted: &[i32], sent: usize) -> StreamingOutputCallRequest {
    let parameters = wanted.iter().map(|&size| ResponseParameters { size, ..Default::default() });
    StreamingOutputCallRequest {
        response_parameters: parameters.collect(),
        payload: payload(sent),
        ..Default::default()
    }
}

fn size_of(payload: Option<Payload>) -> i32 {
    payload.map_or(-1, |payload| payload.body.len() as i32)
}

fn ensure(is_so: bool, what: &str) -> Outcome {
    if is_so {
        Ok(())
    } else {
        Err(what.into())
    }
}

fn ensure_status<T>(result: Result<T, Status>, code: Code, message: Option<&str>) -> Outcome {
    match result {
        Ok(_) => Err("the call succeeded".into()),
        Err(status) if status.code() != code => Err(format!("{status:?}").into()),
        Err(status) => ensure(message.map_or(true, |text| text == status.message()), status.message()),
    }
}

async fn empty_unary(mut client: Client) -> Outcome {
    client.empty_call(Empty {}).await?;
    Ok(())
}

async fn checked_large(client: &mut Client, request: SimpleRequest) -> Outcome {
    let response = client.unary_call(request).await?.into_inner();
    ensure(size_of(response.payload) == RESPONSE_BYTES, "the response has another size")
}

async fn large_unary(mut client: Client) -> Outcome {
    checked_large(&mut client, large_request()).await
}

async fn client_compressed_unary(mut client: Client) -> Outcome {
    let expecting = |value| SimpleRequest { expect_compressed: Some(BoolValue { value }), ..large_request() };
    ensure_status(client.unary_call(expecting(true)).await, Code::InvalidArgument, None)?;
    checked_large(&mut client.clone().send_compressed(CompressionEncoding::Gzip), expecting(true)).await?;
    checked_large(&mut client, expecting(false)).await
}

async fn server_compressed_unary(client: Client) -> Outcome {
    let mut client = client.accept_compressed(CompressionEncoding::Gzip);
    for value in [true, false] {
        let request = SimpleRequest { response_compressed: Some(BoolValue { value }), ..large_request() };
        checked_large(&mut client, request).await?;
    }
    Ok(())
}

async fn client_streaming(mut client: Client) -> Outcome {
    let requests = REQUESTS.map(|size| StreamingInputCallRequest { payload: payload(size), ..Default::default() });
    let response = client.streaming_input_call(tokio_stream::iter(requests)).await?.into_inner();
    ensure(response.aggregated_payload_size == 74922, "the sum differs")
}

async fn server_streaming(mut client: Client) -> Outcome {
    let mut responses = client.streaming_output_call(asking_for(&RESPONSES, 0)).await?.into_inner();
    let mut sizes = Vec::new();
    while let Some(response) = responses.message().await? {
        sizes.push(size_of(response.payload));
    }
    ensure(sizes == RESPONSES, "the sizes differ")
}

async fn ping_pong(mut client: Client) -> Outcome {
    let (sender, receiver) = mpsc::channel(1);
    sender.send(asking_for(&RESPONSES[..1], REQUESTS[0])).await?;
    let mut responses = client.full_duplex_call(ReceiverStream::new(receiver)).await?.into_inner();
    for index in 0..RESPONSES.len() {
        let response = responses.message().await?.ok_or("the responses ended too soon")?;
        ensure(size_of(response.payload) == RESPONSES[index], "a size differs")?;
        if index + 1 < RESPONSES.len() {
            sender.send(asking_for(&RESPONSES[index + 1..index + 2], REQUESTS[index + 1])).await?;
        }
    }
    drop(sender);
    ensure(responses.message().await?.is_none(), "there is a fifth response")
}

async fn empty_stream(mut client: Client) -> Outcome {
    let mut responses = client.full_duplex_call(tokio_stream::empty()).await?.into_inner();
    ensure(responses.message().await?.is_none(), "there is a response")
}

fn with_metadata<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert(ECHO_INITIAL, "test_initial_metadata_value".parse().expect("it is ASCII"));
    request.metadata_mut().insert_bin(ECHO_TRAILING, BinaryMetadataValue::from_bytes(&[0xab; 3]));
    request
}

fn check_echoed(initial: &MetadataMap, trailing: &MetadataMap) -> Outcome {
    let value = initial.get(ECHO_INITIAL).ok_or("no initial metadata")?;
    ensure(value == "test_initial_metadata_value", "the initial metadata differ")?;
    let bytes = trailing.get_bin(ECHO_TRAILING).ok_or("no trailing metadata")?.to_bytes()?;
    ensure(bytes[..] == [0xab; 3], "the trailing metadata differ")
}

async fn custom_metadata(mut client: Client) -> Outcome {
    // A unary response has both kinds in one map.
    let response = client.unary_call(with_metadata(large_request())).await?;
    check_echoed(response.metadata(), response.metadata())?;
    let requests = tokio_stream::iter([asking_for(&[RESPONSE_BYTES], REQUEST_BYTES)]);
    let response = client.full_duplex_call(with_metadata(requests)).await?;
    let initial = response.metadata().clone();
    let mut responses = response.into_inner();
    let first = responses.message().await?.ok_or("there is no response")?;
    ensure(size_of(first.payload) == RESPONSE_BYTES, "the response has another size")?;
    let trailing = responses.trailers().await?.ok_or("there are no trailers")?;
    check_echoed(&initial, &trailing)
}

fn echo(message: &str) -> Option<EchoStatus> {
    Some(EchoStatus { code: 2, message: message.into() })
}

async fn status_code_and_message(mut client: Client) -> Outcome {
    let text = "test status message";
    let request = SimpleRequest { response_status: echo(text), ..Default::default() };
    ensure_status(client.unary_call(request).await, Code::Unknown, Some(text))?;
    let request = StreamingOutputCallRequest { response_status: echo(text), ..Default::default() };
    let result = match client.full_duplex_call(tokio_stream::iter([request])).await {
        Ok(response) => response.into_inner().message().await.map(|_| ()),
        Err(status) => Err(status),
    };
    ensure_status(result, Code::Unknown, Some(text))
}

async fn special_status_message(mut client: Client) -> Outcome {
    let request = SimpleRequest { response_status: echo(SPECIAL_TEXT), ..Default::default() };
    ensure_status(client.unary_call(request).await, Code::Unknown, Some(SPECIAL_TEXT))
}

async fn unimplemented_service(channel: Channel) -> Outcome {
    let mut client = UnimplementedServiceClient::new(channel);
    ensure_status(client.unimplemented_call(Empty {}).await, Code::Unimplemented, None)
}

async fn cancel_after_begin(mut client: Client) -> Outcome {
    let (sender, receiver) = mpsc::channel::<StreamingInputCallRequest>(1);
    let call = tokio::spawn(async move { client.streaming_input_call(ReceiverStream::new(receiver)).await });
    tokio::task::yield_now().await;
    call.abort();
    drop(sender);
    ensure(call.await.is_err(), "the call ended by itself")
}

async fn cancel_after_first_response(mut client: Client) -> Outcome {
    let (sender, receiver) = mpsc::channel(1);
    sender.send(asking_for(&RESPONSES[..1], REQUESTS[0])).await?;
    let mut responses = client.full_duplex_call(ReceiverStream::new(receiver)).await?.into_inner();
    let first = responses.next().await.ok_or("there is no response")??;
    ensure(size_of(first.payload) == RESPONSES[0], "the response has another size")?;
    // hyper resets a stream once both halves of it are let go.
    drop((responses, sender));
    Ok(())
}

async fn timeout_on_sleeping_server(mut client: Client) -> Outcome {
    let (sender, receiver) = mpsc::channel(1);
    sender.send(asking_for(&[], REQUESTS[0])).await?;
    let mut request = Request::new(ReceiverStream::new(receiver));
    request.set_timeout(Duration::from_millis(1));
    let result = match client.full_duplex_call(request).await {
        Ok(response) => response.into_inner().message().await.map(|_| ()),
        Err(status) => Err(status),
    };
    match result {
        // What tonic's own timer makes of it, where that is ahead of the server's.
        Err(status) if status.code() == Code::Cancelled => ensure(status.message() == "Timeout expired", status.message()),
        other => ensure_status(other, Code::DeadlineExceeded, None),
    }
}
