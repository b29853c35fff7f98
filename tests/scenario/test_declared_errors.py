"""Errors with names and fields: raised by a handler, caught by a client, on every wire, and seen by foreign peers."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import grpc
import pytest
from anyio import to_thread
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from cluster_sdk import (
    ClusterClient,
    Job,
    JobRefused,
    JobTwice,
    NeverRaised,
    NodeFull,
    NodeState,
    cluster_pb2,
    cluster_pb2_grpc,
)
from eventflux_runtime import (
    Aborted,
    AlreadyExists,
    FailedPrecondition,
    ResourceExhausted,
    RetryPolicy,
    RpcError,
    ServerConfig,
    StatusCode,
    Unavailable,
)
from eventflux_runtime.error_details import BadRequest, BadRequestFieldViolation, ErrorInfo, Help
from eventflux_runtime.rpc.config import ClientConfig
from tests.support.cluster import FailingCluster, Failure, error_info, raw_cluster, rich_status
from tests.support.wires import WIRES, address, connect, serve

JOB = Job(name="j", cpus=4)
DOMAIN = "acme.cluster.v1"


@asynccontextmanager
async def failing(
    wire: str, tmp_path: Path, failure: Failure, config: ClientConfig | None = None
) -> AsyncIterator[tuple[ClusterClient, FailingCluster]]:
    service = FailingCluster(failure)
    async with (
        serve([service], address(wire, tmp_path), config=ServerConfig(drain_grace_s=0)) as server,
        connect(server.endpoints[0], config=config) as channel,
    ):
        with anyio.fail_after(20):
            yield ClusterClient(channel), service


def full() -> NodeFull:
    return NodeFull(
        "n-7 is full",
        retry_in_s=2.5,
        node="n-7",
        free_cpus=0,
        details=[Help()],
        metadata={"hint": "n-8"},
    )


def check_full(error: NodeFull) -> None:
    assert (error.retry_in_s, error.node, error.free_cpus) == (2.5, "n-7", 0)
    assert (error.code, error.message) == (StatusCode.RESOURCE_EXHAUSTED, "n-7 is full")
    assert isinstance(error, ResourceExhausted)
    assert error.find(Help) == Help()
    assert error.metadata["hint"] == "n-8"
    assert not error.unprocessed


@pytest.mark.full_matrix
@pytest.mark.parametrize("wire", WIRES)
async def test_a_declared_error_is_caught_with_its_fields(wire: str, tmp_path: Path) -> None:
    async with failing(wire, tmp_path, full) as (client, _):
        with pytest.raises(NodeFull) as unary:
            await client.place(JOB)
        check_full(unary.value)
        async with client.place_all() as joined:
            await joined.send(JOB)
            with pytest.raises(NodeFull) as of_many:
                await joined.finish()
        check_full(of_many.value)
        async with client.watch(JOB) as watched:
            assert (await watched.receive()).node == "n-1"
            for _ in range(2):
                with pytest.raises(NodeFull) as in_stream:
                    await watched.receive()
                check_full(in_stream.value)
        async with client.place_each() as placed:
            await placed.send(JOB)
            assert (await placed.receive()).node == "n-1"
            with pytest.raises(NodeFull) as in_bidi:
                await placed.receive()
            check_full(in_bidi.value)
            with pytest.raises(NodeFull) as in_sending:
                await placed.send(JOB)
            check_full(in_sending.value)


def refused() -> JobRefused:
    return JobRefused(
        job=JOB,
        state=NodeState.FULL,
        others=[Job(), JOB],
        states=[NodeState.READY, NodeState(77)],
        codes=[-(2**63), 0, 2**63 - 1],
        digest=b"\x00\xff",
        is_final=True,
        limit=2**64 - 1,
        share=float("inf"),
        message_="the fields' own",
        class_="",
    )


@pytest.mark.parametrize("wire", WIRES)
async def test_fields_of_every_kind(wire: str, tmp_path: Path) -> None:
    async with failing(wire, tmp_path, refused) as (client, _):
        with pytest.raises(JobRefused) as caught:
            await client.place(JOB)
    error = caught.value
    names = [field.python_name for field in JobRefused.__declaration__.fields]
    assert {name: getattr(error, name) for name in names} == {name: getattr(refused(), name) for name in names}
    assert isinstance(error.state, NodeState)
    assert all(isinstance(state, NodeState) for state in error.states)
    assert error.message == "JOB_REFUSED", "what it is raised with where the handler gives no text"


@pytest.mark.parametrize("wire", WIRES)
async def test_fields_that_are_not_set(wire: str, tmp_path: Path) -> None:
    async with failing(wire, tmp_path, JobRefused) as (client, _):
        with pytest.raises(JobRefused) as caught:
            await client.place(JOB)
    error = caught.value
    assert (error.job, error.state, error.others, error.class_) == (None, NodeState.UNSPECIFIED, [], None)
    assert (error.digest, error.is_final, error.limit, error.share, error.message_) == (b"", False, 0, 0.0, "")


@pytest.mark.parametrize("wire", WIRES)
async def test_a_method_that_does_not_name_the_error_has_the_plain_one(wire: str, tmp_path: Path) -> None:
    async with failing(wire, tmp_path, lambda: JobTwice("again", name="j")) as (client, _):
        with pytest.raises(AlreadyExists, match="again") as caught:
            await client.place(JOB)
        assert type(caught.value) is AlreadyExists
        info = caught.value.find(ErrorInfo)
        assert info == ErrorInfo(reason="JOB_TWICE", domain=DOMAIN, metadata={"name": "j"})
        async with client.place_each() as placed:
            await placed.send(JOB)
            await placed.receive()
            with pytest.raises(JobTwice) as declared:
                await placed.receive()
            assert declared.value.name == "j"


@pytest.mark.parametrize("wire", WIRES)
async def test_what_a_field_cannot_carry_does_not_hide_the_failure(
    wire: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wrong: Any = "soon"
    caplog.set_level(logging.WARNING, "eventflux_runtime")
    async with failing(wire, tmp_path, lambda: NodeFull("full", retry_in_s=wrong, details=[Help()])) as (client, _):
        with pytest.raises(ResourceExhausted, match="full") as caught:
            await client.place(JOB)
    assert type(caught.value) is ResourceExhausted
    assert caught.value.find(Help) == Help()
    assert "NODE_FULL is sent without its fields: retry_in_s: expected double, not 'soon'" in caplog.text


@pytest.mark.parametrize("wire", WIRES)
async def test_fields_set_after_the_error_was_made_are_sent(wire: str, tmp_path: Path) -> None:
    def changed() -> NodeFull:
        error = full()
        error.node = "n-9"
        return error

    async with failing(wire, tmp_path, changed) as (client, _):
        with pytest.raises(NodeFull) as caught:
            await client.place(JOB)
    assert caught.value.node == "n-9"
    assert len(caught.value.details) == 2


@pytest.mark.parametrize("wire", WIRES)
async def test_an_error_that_passes_through_a_server_keeps_what_it_does_not_know(wire: str, tmp_path: Path) -> None:
    newer = rich_status(8, "full", error_details_pb2.Help(), error_info("NODE_FULL", DOMAIN, node="n-1", rack="r-5"))

    def passed_on() -> RpcError:
        with pytest.raises(NodeFull) as caught:
            raise ClusterErrors.of(newer)
        return caught.value

    async with failing(wire, tmp_path, passed_on) as (client, _):
        with pytest.raises(NodeFull) as caught:
            await client.place(JOB)
    info = caught.value.find(ErrorInfo)
    assert info is not None
    assert info.metadata == {"retry_in_s": "0.0", "node": "n-1", "rack": "r-5"}
    assert len(caught.value.details) == 2


class ClusterErrors:
    """What a client of the method Place makes of Google's status."""

    @staticmethod
    def of(status: Any) -> RpcError:
        from cluster_sdk.methods import CLUSTER_PLACE
        from eventflux_runtime import ErrorDetail, Status

        details = tuple(ErrorDetail(detail.type_url, detail.value) for detail in status.details)
        return CLUSTER_PLACE.error_of(Status(StatusCode(status.code), status.message, details))


@pytest.mark.parametrize("wire", WIRES)
async def test_a_declared_error_is_tried_again_as_its_code_is(wire: str, tmp_path: Path) -> None:
    policy = RetryPolicy(max_attempts=3, initial_backoff_s=0.001, codes=frozenset({StatusCode.RESOURCE_EXHAUSTED}))
    async with failing(wire, tmp_path, full, ClientConfig(retry=policy)) as (client, service):
        with pytest.raises(NodeFull):
            await client.place(JOB)
        assert len(service.contexts) == 3


# -- foreign peers


def raw_failure(port: int) -> tuple[grpc.StatusCode, str, Any]:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub: Any = cluster_pb2_grpc.ClusterStub(channel)
        try:
            stub.Place(cluster_pb2.Job(name="j"), timeout=20)
        except grpc.RpcError as error:
            call: Any = error
            return call.code(), call.details(), rpc_status.from_call(call)
    raise AssertionError("the call went well")


@pytest.mark.parametrize("wire", ["grpc", "grpcio"])
async def test_a_raw_grpcio_client_reads_the_error_with_google_s_classes(wire: str) -> None:
    async with serve([FailingCluster(full)], f"{wire}://127.0.0.1:0") as server:
        port = int(server.endpoints[0].rpartition(":")[2])
        code, text, status = await to_thread.run_sync(raw_failure, port)
    assert (code, text, status.code, status.message) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "n-7 is full", 8, text)
    info, shown = error_details_pb2.ErrorInfo(), error_details_pb2.Help()
    assert status.details[0].Unpack(info)
    assert info == error_info("NODE_FULL", DOMAIN, retry_in_s="2.5", node="n-7", free_cpus="0")
    assert status.details[1].Unpack(shown)


@pytest.mark.parametrize("wire", ["grpc", "grpcio"])
async def test_a_raw_grpcio_client_reads_messages_and_lists_as_json(wire: str) -> None:
    async with serve([FailingCluster(refused)], f"{wire}://127.0.0.1:0") as server:
        port = int(server.endpoints[0].rpartition(":")[2])
        _, _, status = await to_thread.run_sync(raw_failure, port)
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert dict(info.metadata) == {
        "job": '{"name":"j","cpus":4}',
        "state": "NODE_STATE_FULL",
        "others": '[{},{"name":"j","cpus":4}]',
        "states": '["NODE_STATE_READY",77]',
        "codes": '["-9223372036854775808","0","9223372036854775807"]',
        "digest": "AP8=",
        "is_final": "true",
        "limit": "18446744073709551615",
        "share": "Infinity",
        "message": "the fields' own",
        "class": "",
    }


@pytest.mark.parametrize("wire", ["grpc", "grpcio"])
async def test_google_s_details_of_ours_in_a_raw_grpcio_client(wire: str) -> None:
    wrong = BadRequest(field_violations=[BadRequestFieldViolation(field="cpus", description="too many")])
    failure = FailedPrecondition("no", details=[wrong])
    async with serve([FailingCluster(lambda: failure)], f"{wire}://127.0.0.1:0") as server:
        port = int(server.endpoints[0].rpartition(":")[2])
        _, _, status = await to_thread.run_sync(raw_failure, port)
    found = error_details_pb2.BadRequest()
    assert status.details[0].Unpack(found)
    assert found.field_violations[0].field == "cpus"


@pytest.mark.parametrize("wire", ["grpc", "grpcio"])
async def test_a_raw_grpcio_server_raises_our_error(wire: str) -> None:
    wrong = error_details_pb2.BadRequest(field_violations=[error_details_pb2.BadRequest.FieldViolation(field="cpus")])
    info = error_info("NODE_FULL", DOMAIN, retry_in_s="2", free_cpus="1", rack="r-5")
    with raw_cluster(rich_status(8, "voll", wrong, info)) as port:
        async with connect(f"{wire}://127.0.0.1:{port}") as channel:
            with pytest.raises(NodeFull, match="voll") as caught:
                await ClusterClient(channel).place(JOB)
    error = caught.value
    assert (error.retry_in_s, error.node, error.free_cpus) == (2.0, "", 1)
    found = error.find(BadRequest)
    assert found is not None
    assert [violation.field for violation in found.field_violations] == ["cpus"]
    assert len(error.details) == 2


PLAIN = {
    "another code": (rich_status(10, "x", error_info("NODE_FULL", DOMAIN)), Aborted),
    "another reason": (rich_status(8, "x", error_info("NODE_EMPTY", DOMAIN)), ResourceExhausted),
    "another domain": (rich_status(8, "x", error_info("NODE_FULL", "acme.cluster.v2")), ResourceExhausted),
    "a field that is malformed": (
        rich_status(8, "x", error_info("NODE_FULL", DOMAIN, retry_in_s="soon")),
        ResourceExhausted,
    ),
    "no details": (rich_status(14, "x"), Unavailable),
    "declared, and not by the method": (rich_status(10, "x", error_info("UNUSED", DOMAIN)), Aborted),
}


@pytest.mark.parametrize("case", PLAIN)
@pytest.mark.parametrize("wire", ["grpc", "grpcio"])
async def test_what_is_not_the_declared_error_is_the_plain_one(wire: str, case: str) -> None:
    status, kind = PLAIN[case]
    with raw_cluster(status) as port:
        async with connect(f"{wire}://127.0.0.1:{port}") as channel:
            with pytest.raises(RpcError, match="x") as caught:
                await ClusterClient(channel).place(JOB)
    assert type(caught.value) is kind
    assert (caught.value.code, len(caught.value.details)) == (StatusCode(status.code), len(status.details))
    assert not isinstance(caught.value, NeverRaised)
