// A small node of EventFlux's gRPC service: `serve` answers every method, `call ADDRESS` calls every method and checks
// what comes back, `exceed ADDRESS SIZE` sends a payload of SIZE bytes, which the other side has to refuse.
import assert from "node:assert/strict";

import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";

const [mode, proto, address, size] = process.argv.slice(2);
const definition = protoLoader.loadSync(proto, { keepCase: true, longs: Number, enums: String, defaults: true });
const { Transport } = grpc.loadPackageDefinition(definition).eventflux.transport;

const LIMITS = { "grpc.max_receive_message_length": 64 << 20, "grpc.max_send_message_length": 64 << 20 };
const TYPES = ["EVENT", "QUERY", "STATE", "CONTROL", "HEARTBEAT", "CHECKPOINT"].map((name) => `MESSAGE_TYPE_${name}`);
const SIZES = [0, 300, 1024 * 1024];

function makeMessage(id, type, length) {
  return {
    id,
    message_type: type,
    payload: Buffer.from({ length }, (_, index) => index % 251),
    headers: { source_node: "node", größe: String(length), "": "" },
    timestamp: 1700000000000,
    source_node: "node",
    target_node: "",
    priority: 5,
    compression: "COMPRESSION_TYPE_NONE",
  };
}

function serve() {
  const server = new grpc.Server(LIMITS);
  server.addService(Transport.service, {
    SendMessage: (call, callback) => callback(null, call.request),
    StreamMessages: (call) => {
      call.on("data", (message) => call.write(message));
      call.on("end", () => call.end());
      call.on("error", () => {});
    },
    StreamEvents: (call) => {
      for (let number = 0; number < call.request.batch_size; number += 1) {
        call.write(makeMessage(`${call.request.node_id}-${number}`, "MESSAGE_TYPE_EVENT", number));
      }
      call.end();
    },
    Heartbeat: (call, callback) =>
      callback(null, { server_node_id: `node of ${call.request.node_id}`, server_timestamp: call.request.timestamp }),
  });
  server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
    if (error) throw error;
    console.log(`127.0.0.1:${port}`);
  });
}

const deadline = () => ({ deadline: Date.now() + 20000 });

function sendMessage(client, message) {
  return new Promise((resolve, reject) => {
    client.SendMessage(message, deadline(), (error, reply) => (error ? reject(error) : resolve(reply)));
  });
}

function heartbeat(client) {
  return new Promise((resolve, reject) => {
    const request = { node_id: "node", timestamp: 1700000000000 };
    client.Heartbeat(request, deadline(), (error, reply) => (error ? reject(error) : resolve(reply)));
  });
}

async function echoThroughStream(client, messages) {
  const stream = client.StreamMessages(deadline());
  const answers = stream[Symbol.asyncIterator]();
  for (const message of messages) {
    stream.write(message);
    const { value } = await answers.next();
    assert.deepEqual(value, message);
  }
  stream.end();
  const { done } = await answers.next();
  assert.ok(done, "the stream went on after its end");
}

async function call(client) {
  const messages = TYPES.flatMap((type) => SIZES.map((length) => makeMessage(`${type}-${length}`, type, length)));
  for (const message of messages) assert.deepEqual(await sendMessage(client, message), message);
  await echoThroughStream(client, messages);
  const reply = await heartbeat(client);
  assert.equal(reply.server_status.health, "NODE_HEALTH_HEALTHY");
  assert.ok(Math.abs(reply.server_timestamp - Date.now()) < 60000);
  console.log(`${2 * messages.length} messages came back unchanged`);
}

async function subscribe(client) {
  const request = { node_id: "node", filter: { message_types: ["MESSAGE_TYPE_EVENT"] } };
  const stream = client.StreamEvents(request, deadline());
  await new Promise((resolve, reject) => {
    stream.once("data", (event) => {
      console.log(event.id);
      stream.cancel();
    });
    // What follows the cancellation is its own status.
    stream.once("error", (error) => (error.code === grpc.status.CANCELLED ? resolve() : reject(error)));
  });
}

async function exceed(client, length) {
  try {
    await sendMessage(client, makeMessage("too-long", "MESSAGE_TYPE_EVENT", length));
  } catch (error) {
    assert.equal(error.code, grpc.status.RESOURCE_EXHAUSTED, error.message);
    console.log("RESOURCE_EXHAUSTED");
    return;
  }
  assert.fail("a message over the limit was answered");
}

if (mode === "serve") {
  serve();
} else {
  const client = new Transport(address, grpc.credentials.createInsecure(), LIMITS);
  if (mode === "call") await call(client);
  else if (mode === "subscribe") await subscribe(client);
  else await exceed(client, Number(size));
  client.close();
}
