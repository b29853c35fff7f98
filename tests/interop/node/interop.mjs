// gRPC's interoperability service and test cases on @grpc/grpc-js: `serve PROTO` is the server, and
// `case PROTO ADDRESS NAME...` makes cases. The rules are those of https://github.com/grpc/grpc/blob/master/doc/interop-test-descriptions.md.
import assert from "node:assert/strict";

import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";

const [mode, proto, address, ...names] = process.argv.slice(2);
const definition = protoLoader.loadSync(proto, { keepCase: true, longs: Number, enums: String, defaults: true });
const { TestService, UnimplementedService } = grpc.loadPackageDefinition(definition).grpc.testing;

const ECHO_INITIAL = "x-grpc-test-echo-initial";
const ECHO_TRAILING = "x-grpc-test-echo-trailing-bin";
const REQUEST_BYTES = 271828;
const RESPONSE_BYTES = 314159;
const REQUESTS = [27182, 8, 1828, 45904];
const RESPONSES = [31415, 9, 2653, 58979];
const SPECIAL_TEXT = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n";
const GZIP = { "grpc.default_compression_algorithm": grpc.compressionAlgorithms.gzip };

const payload = (size) => ({ body: Buffer.alloc(size) });
const soon = (milliseconds = 30000) => ({ deadline: Date.now() + milliseconds });

// -- the server

function echoed(call) {
  const trailers = new grpc.Metadata();
  const initial = new grpc.Metadata();
  for (const value of call.metadata.get(ECHO_INITIAL)) initial.add(ECHO_INITIAL, value);
  for (const value of call.metadata.get(ECHO_TRAILING)) trailers.add(ECHO_TRAILING, value);
  if (initial.get(ECHO_INITIAL).length) call.sendMetadata(initial);
  return trailers;
}

function sendAll(call, request) {
  for (const { size } of request.response_parameters) call.write({ payload: payload(size) });
}

const handlers = {
  EmptyCall: (call, callback) => callback(null, {}),
  UnaryCall: (call, callback) => {
    const trailers = echoed(call);
    const wanted = call.request.response_status;
    if (wanted?.code) callback({ code: wanted.code, details: wanted.message, metadata: trailers });
    else callback(null, { payload: payload(call.request.response_size) }, trailers);
  },
  StreamingOutputCall: (call) => {
    sendAll(call, call.request);
    call.end();
  },
  StreamingInputCall: (call, callback) => {
    let size = 0;
    call.on("data", (request) => (size += request.payload.body.length));
    call.on("end", () => callback(null, { aggregated_payload_size: size }));
    call.on("error", () => {});
  },
  FullDuplexCall: (call) => {
    const trailers = echoed(call);
    let isOver = false;
    call.on("data", (request) => {
      const wanted = request.response_status;
      if (wanted?.code) {
        isOver = true;
        call.emit("error", { code: wanted.code, details: wanted.message, metadata: trailers });
      } else {
        sendAll(call, request);
      }
    });
    call.on("end", () => {
      if (!isOver) call.end(trailers);
    });
    call.on("cancelled", () => {});
  },
};

function serve() {
  const server = new grpc.Server();
  server.addService(TestService.service, handlers);
  server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
    if (error) throw error;
    console.log(`127.0.0.1:${port}`);
  });
}

// -- the client

function unary(client, method, request, metadata = new grpc.Metadata()) {
  return new Promise((resolve) => {
    const outcome = {};
    const call = client[method](request, metadata, soon(), (error, response) => Object.assign(outcome, { error, response }));
    call.on("metadata", (initial) => (outcome.initial = initial));
    call.on("status", (status) => resolve({ ...outcome, status }));
  });
}

async function answered(client, method, request) {
  const { error, response } = await unary(client, method, request);
  if (error) throw error;
  return response;
}

function ended(call) {
  call.on("error", () => {});
  return new Promise((resolve) => call.on("status", resolve));
}

function sizes(call) {
  const found = [];
  call.on("data", (response) => found.push(response.payload.body.length));
  return found;
}

const largeRequest = (more = {}) => ({ response_size: RESPONSE_BYTES, payload: payload(REQUEST_BYTES), ...more });
const askingFor = (wanted, sent) => ({ response_parameters: [{ size: wanted }], payload: payload(sent) });

async function checkLarge(client, request) {
  const response = await answered(client, "UnaryCall", request);
  assert.equal(response.payload.body.length, RESPONSE_BYTES);
}

async function checkUnimplemented(client, path) {
  const bytes = (value) => value;
  const code = await new Promise((resolve) => {
    client.makeUnaryRequest(path, bytes, bytes, Buffer.alloc(0), soon(), (error) => resolve(error?.code));
  });
  assert.equal(code, grpc.status.UNIMPLEMENTED);
}

const cases = {
  async empty_unary(client) {
    assert.deepEqual(await answered(client, "EmptyCall", {}), {});
  },

  async large_unary(client) {
    await checkLarge(client, largeRequest());
  },

  async client_compressed_unary(client) {
    const compressed = largeRequest({ expect_compressed: { value: true } });
    const { status } = await unary(client, "UnaryCall", compressed);
    assert.equal(status.code, grpc.status.INVALID_ARGUMENT);
    const compressing = new TestService(address, grpc.credentials.createInsecure(), GZIP);
    await checkLarge(compressing, compressed);
    compressing.close();
    await checkLarge(client, largeRequest({ expect_compressed: { value: false } }));
  },

  async server_compressed_unary(client) {
    for (const value of [true, false]) await checkLarge(client, largeRequest({ response_compressed: { value } }));
  },

  async client_streaming(client) {
    const response = await new Promise((resolve, reject) => {
      const call = client.StreamingInputCall(soon(), (error, value) => (error ? reject(error) : resolve(value)));
      for (const size of REQUESTS) call.write({ payload: payload(size) });
      call.end();
    });
    assert.equal(response.aggregated_payload_size, 74922);
  },

  async server_streaming(client) {
    const call = client.StreamingOutputCall({ response_parameters: RESPONSES.map((size) => ({ size })) }, soon());
    const found = sizes(call);
    assert.equal((await ended(call)).code, grpc.status.OK);
    assert.deepEqual(found, RESPONSES);
  },

  async server_compressed_streaming(client) {
    const wanted = [
      { size: 31415, compressed: { value: true } },
      { size: 92653, compressed: { value: false } },
    ];
    const call = client.StreamingOutputCall({ response_parameters: wanted }, soon());
    const found = sizes(call);
    assert.equal((await ended(call)).code, grpc.status.OK);
    assert.deepEqual(found, [31415, 92653]);
  },

  async ping_pong(client) {
    const call = client.FullDuplexCall(soon());
    const end = ended(call);
    const found = [];
    call.on("data", (response) => {
      found.push(response.payload.body.length);
      if (found.length < RESPONSES.length) call.write(askingFor(RESPONSES[found.length], REQUESTS[found.length]));
      else call.end();
    });
    call.write(askingFor(RESPONSES[0], REQUESTS[0]));
    assert.equal((await end).code, grpc.status.OK);
    assert.deepEqual(found, RESPONSES);
  },

  async empty_stream(client) {
    const call = client.FullDuplexCall(soon());
    const found = sizes(call);
    call.end();
    assert.equal((await ended(call)).code, grpc.status.OK);
    assert.deepEqual(found, []);
  },

  async custom_metadata(client) {
    const metadata = new grpc.Metadata();
    const value = Buffer.from([0xab, 0xab, 0xab]);
    metadata.set(ECHO_INITIAL, "test_initial_metadata_value");
    metadata.set(ECHO_TRAILING, value);
    const outcomes = [await unary(client, "UnaryCall", largeRequest(), metadata)];
    const call = client.FullDuplexCall(metadata, soon());
    const initial = new Promise((resolve) => call.on("metadata", resolve));
    const found = sizes(call);
    call.write(askingFor(RESPONSE_BYTES, REQUEST_BYTES));
    call.end();
    const status = await ended(call);
    outcomes.push({ initial: await initial, status });
    assert.deepEqual(found, [RESPONSE_BYTES]);
    for (const outcome of outcomes) {
      assert.deepEqual(outcome.initial.get(ECHO_INITIAL), ["test_initial_metadata_value"]);
      assert.deepEqual(outcome.status.metadata.get(ECHO_TRAILING), [value]);
    }
  },

  async status_code_and_message(client) {
    const wanted = { code: 2, message: "test status message" };
    const { status } = await unary(client, "UnaryCall", { response_status: wanted });
    const call = client.FullDuplexCall(soon());
    call.on("data", () => {});
    call.write({ response_status: wanted });
    call.end();
    for (const { code, details } of [status, await ended(call)]) {
      assert.deepEqual({ code, message: details }, wanted);
    }
  },

  async special_status_message(client) {
    const { status } = await unary(client, "UnaryCall", { response_status: { code: 2, message: SPECIAL_TEXT } });
    assert.deepEqual([status.code, status.details], [2, SPECIAL_TEXT]);
  },

  async unimplemented_method(client) {
    await checkUnimplemented(client, "/grpc.testing.TestService/UnimplementedCall");
  },

  async unimplemented_service() {
    const client = new UnimplementedService(address, grpc.credentials.createInsecure());
    const { status } = await unary(client, "UnimplementedCall", {});
    client.close();
    assert.equal(status.code, grpc.status.UNIMPLEMENTED);
  },

  async cancel_after_begin(client) {
    const call = client.StreamingInputCall(soon(), () => {});
    const end = ended(call);
    call.cancel();
    assert.equal((await end).code, grpc.status.CANCELLED);
  },

  async cancel_after_first_response(client) {
    const call = client.FullDuplexCall(soon());
    const end = ended(call);
    call.on("data", () => call.cancel());
    call.write(askingFor(RESPONSES[0], REQUESTS[0]));
    assert.equal((await end).code, grpc.status.CANCELLED);
  },

  async timeout_on_sleeping_server(client) {
    const call = client.FullDuplexCall(soon(1));
    const end = ended(call);
    call.on("data", () => {});
    call.write({ payload: payload(REQUESTS[0]) });
    assert.equal((await end).code, grpc.status.DEADLINE_EXCEEDED);
  },
};

if (mode === "serve") {
  serve();
} else {
  const client = new TestService(address, grpc.credentials.createInsecure());
  for (const name of names) {
    await cases[name](client);
    console.log(name);
  }
  client.close();
  // A call that was cancelled before it began keeps the process up, whatever the server.
  process.exit(0);
}
