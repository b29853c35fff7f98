"""A project outside the repository, made as the pages say: three proto packages, a server, a client, type checkers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.corpora.type_check import bare_python, has_pyright, run_mypy, run_pyright

PROTOS = {
    "shop/common/v1/money.proto": """syntax = "proto3";
package shop.common.v1;

import "google/protobuf/timestamp.proto";

// An amount of money.
message Money {
  string currency = 1;
  int64 units = 2;
}

enum Priority {
  PRIORITY_UNSPECIFIED = 0;
  PRIORITY_HIGH = 1;
}

message Stamped {
  google.protobuf.Timestamp at = 1;
}
""",
    "shop/stock/v1/stock.proto": """syntax = "proto3";
package shop.stock.v1;

import "google/protobuf/empty.proto";
import "shop/common/v1/money.proto";

message Item {
  string sku = 1;
  shop.common.v1.Money price = 2;
  map<string, string> labels = 3;
}

service Stock {
  rpc List(google.protobuf.Empty) returns (stream Item);
}
""",
    "shop/orders/v1/orders.proto": """syntax = "proto3";
package shop.orders.v1;

import "shop/common/v1/money.proto";
import "shop/stock/v1/stock.proto";

message Order {
  string id = 1;
  repeated shop.stock.v1.Item items = 2;
  shop.common.v1.Priority priority = 3;
  oneof payment {
    shop.common.v1.Money cash = 4;
    string card = 5;
  }
}

message Receipt {
  string id = 1;
  shop.common.v1.Money total = 2;
  shop.common.v1.Stamped stamped = 3;
}

service Orders {
  rpc Place(Order) returns (Receipt);
  rpc PlaceAll(stream Order) returns (shop.common.v1.Money);
  rpc Chat(stream Order) returns (stream Receipt);
}
""",
}
PROGRAM = """\
import asyncio
import datetime
import sys
from collections.abc import AsyncIterator

from acme_sdk.shop.common.v1 import Money, Priority, Stamped
from acme_sdk.shop.orders.v1 import Order, OrderPaymentCard, OrderPaymentCash, OrdersClient, OrdersService, Receipt
from acme_sdk.shop.stock.v1 import Item, StockClient, StockService
from eventflux_runtime import Context, NotFound, connect, serve
from eventflux_runtime.well_known import Empty, Timestamp

NOON = datetime.datetime(2020, 1, 1, 12, tzinfo=datetime.timezone.utc)


class Stock(StockService):
    async def list(self, request: Empty, context: Context) -> AsyncIterator[Item]:
        for number in range(3):
            yield Item(sku=f"s{number}", price=Money(currency="EUR", units=number))


class Orders(OrdersService):
    async def place(self, request: Order, context: Context) -> Receipt:
        if not request.items:
            raise NotFound("an order of nothing")
        total: Money | None = None
        match request.payment:
            case OrderPaymentCash(value=cash):
                total = cash
            case OrderPaymentCard() | None:
                total = Money(currency="EUR", units=sum(item.price.units for item in request.items if item.price))
        return Receipt(id=request.id, total=total, stamped=Stamped(at=Timestamp.from_datetime(NOON)))

    async def place_all(self, requests: AsyncIterator[Order], context: Context) -> Money:
        return Money(units=sum([len(order.items) async for order in requests]))

    async def chat(self, requests: AsyncIterator[Order], context: Context) -> AsyncIterator[Receipt]:
        async for order in requests:
            yield Receipt(id=order.id)


async def orders(count: int) -> AsyncIterator[Order]:
    for number in range(count):
        yield Order(id=str(number), items=[Item(), Item()], priority=Priority.HIGH)


async def main(url: str) -> None:
    async with serve([Stock(), Orders()], url) as server, connect(server.endpoints[0]) as channel:
        items = [item async for item in StockClient(channel).list(Empty())]
        client = OrdersClient(channel)
        receipt = await client.place(Order(id="a", items=items, payment=OrderPaymentCard("c")), timeout_s=5)
        assert receipt.total == Money(currency="EUR", units=3)
        assert receipt.stamped is not None
        assert receipt.stamped.at is not None
        assert receipt.stamped.at.to_datetime() == NOON
        try:
            await client.place(Order())
        except NotFound as error:
            assert error.message == "an order of nothing"
        async with client.place_all() as placing:
            async for order in orders(4):
                await placing.send(order)
            assert (await placing.finish()).units == 8
        async with client.chat() as chat:
            async for order in orders(3):
                await chat.send(order)
            await chat.end()
            assert [receipt.id async for receipt in chat] == ["0", "1", "2"]
    print(url.partition(":")[0], "works")


for url in sys.argv[1:]:
    asyncio.run(main(url))
"""


def run(folder: Path, *command: str) -> str:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder / "src"), *sys.path])}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(180)  # type checkers start with nothing but sources
def test_a_project_of_three_proto_packages(tmp_path: Path) -> None:
    for name, text in PROTOS.items():
        path = tmp_path / "proto" / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
    generator = [sys.executable, "-m", "eventflux_codegen.cli"]
    run(tmp_path, *generator, "generate", "proto/", "--package", "acme_sdk", "--out", "src", "--tree")
    (tmp_path / "src/app.py").write_text(PROGRAM)
    urls = ("tcp://127.0.0.1:0", f"unix://{tmp_path}/s", "grpc://127.0.0.1:0")
    assert run(tmp_path, sys.executable, "src/app.py", *urls) == "tcp works\nunix works\ngrpc works\n"
    python = bare_python(tmp_path / "bare")
    assert run_mypy(["acme_sdk", "app"], tmp_path / "src", python) == ""
    assert not has_pyright() or run_pyright(["acme_sdk", "app.py"], tmp_path / "src", python) == ""
