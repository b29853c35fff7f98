"""What a type checker sees of declared errors and of details: checked by mypy --strict and by pyright, never run."""

from __future__ import annotations

from typing import assert_type

from cluster_sdk import ClusterClient, ClusterService, Job, JobRefused, NodeFull, NodeState, Placement
from eventflux_runtime import Context, DeclaredError, InvalidArgument, ResourceExhausted, RpcError
from eventflux_runtime.error_details import BadRequest, BadRequestFieldViolation


async def caught(client: ClusterClient) -> None:
    try:
        await client.place(Job())
    except NodeFull as error:
        assert_type(error.retry_in_s, float)
        assert_type(error.free_cpus, int | None)
        plain: ResourceExhausted = error
        declared: DeclaredError = error
        print(plain, declared)
    except JobRefused as error:
        assert_type(error.job, Job | None)
        assert_type(error.state, NodeState)
        assert_type(error.others, list[Job])
        assert_type(error.digest, bytes)
    except RpcError as error:
        assert_type(error.find(BadRequest), BadRequest | None)


def wrong_calls() -> None:
    NodeFull(retry_in_s="soon")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # what is shown
    NodeFull(retry_in=2.0)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # what is shown
    InvalidArgument(details=["text"])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]  # what is shown


class Cluster(ClusterService):
    async def place(self, request: Job, context: Context) -> Placement:
        if not request.name:
            violation = BadRequestFieldViolation(field="name", description="a job needs one")
            raise InvalidArgument("no name", details=[BadRequest(field_violations=[violation])])
        raise NodeFull(retry_in_s=2.0, node="n-1")
