"""What is done in a process in which several have Python modules of the same .proto files.

The packages are those that `tests/codegen/test_coexistence.py` generates; they are on the search path there.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

import anyio
import pytest

from eventflux_runtime import InvalidArgument, ServerConfig, connect, serve

__all__ = ["PARTIES", "use"]


def _ours(package: str) -> None:
    own = import_module(package)
    message = own.Order(id="a", policy=own.Policy(version=3), status=own.Status(code=5))
    proto = message.to_proto()
    assert own.Order.from_proto(type(proto).FromString(proto.SerializeToString())) == message
    assert own.Order.from_json(message.to_json()) == message
    assert type(proto.policy).DESCRIPTOR.file.name == "google/iam/v1/policy.proto"


def _protoc() -> None:
    order: Any = import_module("shop.order_pb2")
    import_module("shop.order_pb2_grpc")
    message = order.Order(id="a", policy={"version": 3}, status={"code": 5})
    assert order.Order.FromString(message.SerializeToString()) == message


def _grpcio_status() -> None:
    rpc_status: Any = import_module("grpc_status.rpc_status")
    status: Any = import_module("google.rpc.status_pb2")
    assert rpc_status.to_status(status.Status(code=5, message="no")).details == "no"


def _google_cloud() -> None:
    iam: Any = import_module("google.iam.v1.iam_policy_pb2")
    import_module("google.iam.v1.iam_policy_pb2_grpc")
    request = iam.SetIamPolicyRequest(resource="r", policy={"version": 3})
    assert iam.SetIamPolicyRequest.FromString(request.SerializeToString()) == request


PARTIES: Final[dict[str, Callable[[], None]]] = {
    "one": lambda: _ours("one"),
    "two": lambda: _ours("two"),
    "protoc": _protoc,
    "grpcio-status": _grpcio_status,
    "google-cloud": _google_cloud,
}


def _classes_are_shared() -> None:
    one, two, order = import_module("one"), import_module("two"), import_module("shop.order_pb2")
    policy, status = import_module("google.iam.v1.policy_pb2"), import_module("google.rpc.status_pb2")
    assert type(one.Order().to_proto()) is type(two.Order().to_proto()) is order.Order
    assert type(one.Policy().to_proto()) is type(two.Policy().to_proto()) is policy.Policy
    assert type(one.Status().to_proto()) is status.Status
    theirs = order.Order(id="b", policy=policy.Policy(version=1), status=status.Status(code=7))
    assert one.Order.from_proto(theirs).to_proto() == two.Order.from_proto(theirs).to_proto() == theirs


async def _all_talk() -> None:
    """Our server, called by grpcio's stub and by the clients of both of our packages."""
    import grpc  # not before the parties do, whose order is what is tried

    one, two, order = import_module("one"), import_module("two"), import_module("shop.order_pb2")
    stubs, rpc_status = import_module("shop.order_pb2_grpc"), import_module("grpc_status.rpc_status")

    class Shop(one.ShopService):  # type: ignore[misc, name-defined] # a module that mypy does not see
        async def place(self, request: Any, context: Any) -> Any:
            if not request.id:
                raise InvalidArgument("an order has an id", details=[one.Order(id="example")])
            return one.Order(id=request.id * 2, policy=request.policy)

    config = ServerConfig(drain_grace_s=0)
    async with serve([Shop()], "grpc://127.0.0.1:0", "tcp://127.0.0.1:0", config=config) as server:
        async with grpc.aio.insecure_channel(server.endpoints[0].removeprefix("grpc://")) as plain:
            stub = stubs.ShopStub(plain)
            answer = await stub.Place(order.Order(id="x", policy={"version": 2}), timeout=20)
            assert answer == order.Order(id="xx", policy={"version": 2})
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.Place(order.Order(), timeout=20)
        trailers = dict(caught.value.trailing_metadata() or ())
        status = import_module("google.rpc.status_pb2").Status.FromString(trailers["grpc-status-details-bin"])
        assert rpc_status.to_status(status).code == caught.value.code()
        example = order.Order()
        assert status.details[0].Unpack(example)
        assert example.id == "example"
        for package, url in ((one, server.endpoints[0]), (two, server.endpoints[0]), (two, server.endpoints[1])):
            async with connect(url) as channel:
                theirs = order.Order(id="y", policy={"version": 4})
                made = await package.ShopClient(channel).place(package.Order.from_proto(theirs), timeout_s=20)
                assert made.to_proto() == order.Order(id="yy", policy={"version": 4})


def use(parties: list[str]) -> None:
    """Imports and uses the parties in this order, then all of them again, and then lets them talk to each other."""
    for party in [*parties, *parties]:
        PARTIES[party]()
    _classes_are_shared()
    anyio.run(_all_talk)
    print("all")
