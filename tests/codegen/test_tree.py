"""Trees of packages, one for each proto package, and packages that have the types of others."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from eventflux_codegen.cli import main

HEAD = 'syntax = "proto3";\n'
FILES = {
    "shop/common/money.proto": HEAD
    + 'package shop.common;\nimport "google/protobuf/timestamp.proto";\n'
    + "enum Currency { CURRENCY_UNSPECIFIED = 0; CURRENCY_EUR = 1; CURRENCY_USD = 5; }\n"
    + "message Money { int64 units = 1; Currency currency = 2; oneof extra { string note = 3; Place where = 4; }\n"
    + "  google.protobuf.Timestamp at = 5; Money fee = 6; }\n"
    + "message Place { int32 x = 1; string class = 2; }\n"
    + "message Order { string id = 1; }\n",
    "shop/orders/v1/orders.proto": HEAD
    + 'package shop.orders.v1;\nimport "shop/common/money.proto";\n'
    + "message Order { string id = 1; shop.common.Money total = 2; repeated shop.common.Money parts = 3;\n"
    + "  map<string, shop.common.Place> places = 4; shop.common.Currency currency = 5; shop.common.Order old = 6;\n"
    + "  oneof pay { shop.common.Money cash = 7; shop.common.Currency in = 8; } }\n"
    + "service Orders { rpc Get(shop.common.Order) returns (Order);\n"
    + "  rpc Watch(Order) returns (stream shop.common.Money); }\n",
    "shop/billing/billing.proto": HEAD
    + 'package shop.billing;\nimport "shop/orders/v1/orders.proto";\nimport "rules.proto";\n'
    + "message Bill { repeated shop.orders.v1.Order orders = 1 [(rules.least) = 1]; }\n"
    + "service Billing { rpc Pay(Bill) returns (Bill); }\n",
    "shop/client/in.proto": HEAD + "package shop.client.in;\nmessage Client { int32 x = 1; }\n",
    "rules.proto": HEAD
    + 'package rules;\nimport "google/protobuf/descriptor.proto";\n'
    + "extend google.protobuf.FieldOptions { int32 least = 50001; }\n",
}
PROGRAM = """
import asyncio
from {orders} import Order, OrderPayCash, OrderPayIn, OrdersClient, OrdersService
from {common} import Currency, Money, MoneyExtraWhere, Place
import {common} as common, {billing} as billing
from eventflux_runtime import connect, serve, well_known

money = Money(units=3, currency=Currency.EUR, extra=MoneyExtraWhere(Place(x=1, class_="a")), fee=Money(units=9))
money.at = well_known.Timestamp(seconds=5)
order = Order(id="x", total=money, parts=[money, Money()], places={{"a": Place(x=2)}}, currency=Currency(7))
order.old, order.pay = common.Order(id="o"), OrderPayIn(Currency.USD)
bill = billing.Bill(orders=[order, Order(pay=OrderPayCash(money))])
for message in (order, bill):
    for way in ("wire", "protobuf", "json", "proto"):
        assert getattr(type(message), "from_" + way)(getattr(message, "to_" + way)()) == message, way
    assert message.to_proto().SerializeToString(deterministic=True) == message.to_protobuf()
assert type(Order.from_protobuf(order.to_protobuf()).total) is common.Money


class Orders(OrdersService):
    async def get(self, request, context):
        assert type(request) is common.Order
        return Order(id=request.id, total=money)

    async def watch(self, request, context):
        yield request.total


async def main(url):
    async with serve([Orders()], url) as server, connect(server.endpoints[0]) as channel:
        client = OrdersClient(channel)
        assert (await client.get(common.Order(id="q"))) == Order(id="q", total=money)
        assert [each async for each in client.watch(order)] == [money]


for url in ("memory://shop", "tcp://127.0.0.1:0", "grpc://127.0.0.1:0"):
    asyncio.run(main(url))
print("works")
"""
TREE = {"orders": "acme.shop.orders.v1", "common": "acme.shop.common", "billing": "acme.shop.billing"}


def put(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def run(folder: Path, program: str) -> str:
    """What a program prints, where packages of a folder are found."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder / "src"), *sys.path])}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    return done.stdout if done.returncode == 0 else done.stderr


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with .proto files of several packages in it, beside which a person stands."""
    put(tmp_path / "proto", FILES)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def generate(*arguments: str) -> int:
    return main(["generate", "--out", "src", *arguments])


def packages(folder: Path) -> dict[str, set[str]]:
    """The files of each directory."""
    found: dict[str, set[str]] = {}
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix != ".pyc":
            found.setdefault(path.parent.relative_to(folder).as_posix(), set()).add(path.name)
    return found


MESSAGES = {"__init__.py", "__init__.pyi", "codec.py", "idl_names.py", "json_fields.py", "messages.py", "protobuf.py"}
SERVICES = MESSAGES | {"blocking.py", "client.py", "methods.py", "service.py"}


def pb2(stem: str, *, has_service: bool = False) -> set[str]:
    names = {f"{stem}_pb2.py", f"{stem}_pb2.pyi"}
    return names | ({f"{stem}_pb2_grpc.py", f"{stem}_pb2_grpc.pyi"} if has_service else set())


def test_each_proto_package_is_a_package(folder: Path) -> None:
    assert generate("proto", "--package", "acme", "--tree") == 0
    assert packages(folder / "src/acme") == {
        ".": {"__init__.py", "py.typed"},
        "rules": MESSAGES | pb2("rules"),
        "shop": {"__init__.py"},
        "shop/billing": SERVICES | pb2("billing", has_service=True),
        "shop/client_": {"__init__.py"},
        "shop/client_/in_": MESSAGES | pb2("shop_client_in"),
        "shop/common": MESSAGES | pb2("money"),
        "shop/orders": {"__init__.py"},
        "shop/orders/v1": SERVICES | pb2("orders", has_service=True),
    }
    assert run(folder, PROGRAM.format(**TREE)) == "works\n"
    assert run(folder, "import acme.shop.client_.in_ as own; print(own.Client(x=1).to_proto().x)") == "1\n"


def test_a_file_that_is_imported_has_a_package_too(folder: Path) -> None:
    assert generate("proto/shop/billing", "--include", "proto", "--package", "acme", "--tree") == 0
    found = packages(folder / "src/acme")
    assert found["rules"] == {"__init__.py"} | pb2("rules")  # nothing of it is a class
    assert found["shop/orders/v1"] == MESSAGES | pb2("orders", has_service=True)  # its service was not asked for
    assert "shop/client_" not in found


def test_a_package_that_begins_as_the_root_is_not_nested_twice(folder: Path) -> None:
    assert generate("proto/shop", "--include", "proto", "--package", "shop", "--tree") == 0
    assert {"common", "orders/v1", "billing"} < packages(folder / "src/shop").keys()
    names = {name: package.removeprefix("acme.") for name, package in TREE.items()}
    assert run(folder, PROGRAM.format(**names)) == "works\n"


def test_what_is_gone_from_the_idl_goes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("proto", "--package", "acme", "--tree")
    assert generate(*arguments) == 0
    (folder / "proto/shop/client/in.proto").unlink()
    (folder / "proto/acme.lock").unlink()
    assert main(["check", "--out", "src", *arguments]) == 1
    assert "shop/client_/in_/codec.py is extra" in capsys.readouterr().err
    assert generate(*arguments) == 0
    assert not (folder / "src/acme/shop/client_").exists()
    assert main(["check", "--out", "src", *arguments]) == 0


def test_a_change_that_breaks_peers_is_refused_wherever_it_is(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("proto", "--package", "acme", "--tree")
    assert generate(*arguments) == 0
    path = folder / "proto/shop/common/money.proto"
    path.write_text(path.read_text().replace("int64 units", "sint64 units"))
    assert generate(*arguments) == 2
    assert "money.proto:5: field 1 (units) of shop.common.Money" in capsys.readouterr().err


def test_the_plugin_makes_the_same(folder: Path) -> None:
    assert generate("proto", "--package", "acme", "--tree") == 0
    made = folder / "made"
    made.mkdir()
    script = folder / "protoc-gen-eventflux"
    script.write_text(f"#!{sys.executable}\nimport sys\nfrom eventflux_codegen.plugin import main\nsys.exit(main())\n")
    script.chmod(0o755)
    plugin = f"--plugin={script.name}={script}"
    command = [sys.executable, "-m", "grpc_tools.protoc", "-Iproto", plugin, f"--eventflux_out={made}"]
    subprocess.run([*command, "--eventflux_opt=package=acme,tree", *FILES], cwd=folder, check=True)
    assert packages(made / "acme") == packages(folder / "src/acme")
    for path in (folder / "src").rglob("*.py*"):
        assert (made / path.relative_to(folder / "src")).read_bytes() == path.read_bytes()


def test_options_go_where_their_elements_are(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = folder / "proto/acme.yaml"
    config.write_text(
        "package: acme\nprotos: [.]\ntree: true\noutput: ../src/acme\n"
        "enums: {Currency: {name: Coin, values: {CURRENCY_EUR: {name: EURO}}}}\n"
        "messages: {shop.common.Money: {name: Sum, fields: {units: {name: amount}}}}\n"
        "errors: {TOO_LATE: {code: ABORTED, fields: {by: shop.common.Money}}}\n"
        "services: {Orders: {methods: {Get: {name: fetch, errors: [TOO_LATE]}}}}\n"
    )
    assert main(["generate", str(config)]) == 0
    program = (
        "from acme.shop.common import Coin, Sum\nfrom acme.shop.orders.v1 import Order, OrdersClient, TooLate\n"
        "order = Order(total=Sum(amount=3), currency=Coin.EURO)\n"
        "assert Order.from_json(order.to_json()) == Order.from_wire(order.to_wire()) == order\n"
        "print(OrdersClient.fetch.__name__, TooLate(by=Sum(amount=1)).by.amount)\n"
    )
    assert run(folder, program) == "fetch 1\n"
    config.write_text(config.read_text().replace("shop.common.Money: {name", "Mony: {name"))
    assert main(["generate", str(config)]) == 2
    assert "proto/acme.yaml:6: messages: no message is named 'Mony': did you mean 'Money'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "errors: {LATE: {code: ABORTED}}\n",
            "acme.yaml:4: no method names LATE, and in a tree an error goes where its methods are: name it at one",
        ),
        (
            "peer: {message: M, layout: l, service: S, send: A, stream: B, events: C, heartbeat: D}\n",
            "acme.yaml:4: peer goes with one package: drop it, or drop tree",
        ),
    ],
)
def test_what_a_tree_cannot_have(folder: Path, capsys: pytest.CaptureFixture[str], text: str, said: str) -> None:
    config = folder / "proto/acme.yaml"
    config.write_text(f"package: acme\nprotos: [.]\ntree: true\n{text}")
    assert main(["generate", str(config)]) == 2
    assert said in capsys.readouterr().err


def test_packages_may_refer_to_each_other(folder: Path) -> None:
    put(
        folder / "proto",
        {
            "a/one.proto": HEAD
            + "package a;\nenum Kind { KIND_NONE = 0; KIND_ONE = 1; }\nmessage One { Kind kind = 1; }\n",
            "b/two.proto": HEAD + 'package b;\nimport "a/one.proto";\nenum Sort { SORT_NONE = 0; }\n'
            "message Two { a.One one = 1; a.Kind kind = 2; Two two = 3; }\n",
            "a/three.proto": HEAD + 'package a;\nimport "b/two.proto";\nimport "a/one.proto";\n'
            "message Three { b.Two two = 1; b.Sort sort = 2; One one = 3; }\n"
            "service S { rpc Get(b.Two) returns (Three); }\n",
        },
    )
    assert generate("proto/a", "proto/b", "--include", "proto", "--package", "acme", "--tree") == 0
    program = """
from {first} import {name}
from acme.a import Kind, One, SClient, Three
from acme.b import Sort, Two
three = Three(two=Two(one=One(kind=Kind.ONE), kind=Kind.ONE, two=Two()), sort=Sort.NONE, one=One())
for way in ("wire", "protobuf", "json", "proto"):
    assert getattr(Three, "from_" + way)(getattr(three, "to_" + way)()) == three, way
assert three.to_proto().SerializeToString(deterministic=True) == three.to_protobuf()
print("works")
"""
    for first, name in (
        ("acme.a", "Three"),
        ("acme.b", "Two"),
        ("acme.a.messages", "One"),
        ("acme.b.codec", "EXPECTS"),
    ):
        assert run(folder, program.format(first=first, name=name)) == "works\n"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same packages, each generated by itself."""
    folder = tmp_path_factory.mktemp("apart")
    put(folder / "proto", FILES)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        _generate_apart()
    return folder


def _generate_apart() -> None:
    sources = ("--include", "proto")
    assert generate("proto/shop/common", *sources, "--package", "common_sdk") == 0
    extern = ("--extern", "shop.common=common_sdk")
    assert generate("proto/shop/orders", *sources, "--package", "orders_sdk", *extern) == 0
    extern = ("--extern", "shop/orders/v1/orders.proto=orders_sdk")
    assert generate("proto/shop/billing", *sources, "--package", "bill_sdk", *extern) == 0


@pytest.fixture
def apart(template: Path, folder: Path) -> Path:
    """A copy of those."""
    shutil.copytree(template, folder, dirs_exist_ok=True)
    return folder


def test_a_package_takes_the_types_of_others(apart: Path) -> None:
    assert run(apart, PROGRAM.format(orders="orders_sdk", common="common_sdk", billing="bill_sdk")) == "works\n"
    found = packages(apart / "src")
    assert found["orders_sdk"] == SERVICES | pb2("shop_orders_v1_orders", has_service=True) | {"py.typed"}
    assert found["bill_sdk"] - SERVICES == {
        *pb2("shop_billing_billing", has_service=True),
        *pb2("rules"),
        "py.typed",
    }
    assert "class Money" not in (apart / "src/bill_sdk/messages.py").read_text()


def test_a_type_that_has_changed_elsewhere_is_noticed(apart: Path) -> None:
    path = apart / "proto/shop/common/money.proto"
    path.write_text(path.read_text().replace("string class = 2;", "string class = 2; int32 y = 3;"))
    assert generate("proto/shop/common", "--include", "proto", "--package", "common_sdk") == 0
    said = run(apart, "from orders_sdk import Order\nOrder().to_wire()")
    assert "common_sdk.Place has the fields x, class_, y, where the IDL here has x, class_" in said
    assert "generate both packages from the same .proto files" in said


def test_a_type_that_is_not_there_yet_is_named(apart: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, old, new in (
        ("common/money", "message Order {", "message Parcel {} message Order {"),
        ("orders/v1/orders", "message Order {", "message Order { shop.common.Parcel parcel = 9;"),
    ):
        path = apart / f"proto/shop/{name}.proto"
        path.write_text(path.read_text().replace(old, new))
    sources = ("proto/shop/orders", "--include", "proto", "--package", "orders_sdk")
    assert generate(*sources, "--extern", "shop.common=common_sdk") == 2
    said = capsys.readouterr().err
    assert said.startswith("eventflux-codegen: proto/shop/common/money.proto:")
    assert "common_sdk has nothing of shop.common.Parcel: generate that package from the same .proto files\n" in said


MISTAKES = [
    ("shop.comon=common_sdk", "extern: shop.comon is no file and no package here: did you mean 'shop.common'?"),
    ("shop.common=common_sd", "no package common_sd that this generator made is here or installed"),
    ("shop.orders.v1=common_sdk", "shop/orders/v1/orders.proto is in protos, and common_sdk is said to have it"),
    ("google/protobuf/timestamp.proto=common_sdk", "common_sdk has nothing of google/protobuf/timestamp.proto"),
    ("shop.common=common_sdk.x_pb2", "common_sdk.x_pb2 is a module of one file: name the .proto file"),
    ("shop.common", "--extern shop.common names no package: say PROTO_PACKAGE=PYTHON_PACKAGE"),
    ("shop.common=json", "no package json that this generator made is here or installed"),
]


def test_mistakes(apart: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sources = ("proto/shop/orders", "--include", "proto", "--package", "orders_sdk")
    for extern, said in MISTAKES:
        assert generate(*sources, "--extern", extern) == 2
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1
        assert said in lines[0]


def test_protobufs_classes_may_be_somebody_elses(folder: Path) -> None:
    command = [sys.executable, "-m", "grpc_tools.protoc", "-Iproto", "--python_out=src", "shop/common/money.proto"]
    (folder / "src").mkdir()
    subprocess.run(command, cwd=folder, check=True)
    extern = ("--extern", "shop/common/money.proto=shop.common.money_pb2")
    assert generate("proto/shop/orders", "--include", "proto", "--package", "orders_sdk", *extern) == 0
    assert not list((folder / "src/orders_sdk").glob("*money*"))
    program = (
        "from shop.common import money_pb2\nfrom orders_sdk import Money, Order\n"
        "made = Order(total=Money(units=3)).to_proto()\n"
        "print(type(made.total) is money_pb2.Money, Money.from_proto(money_pb2.Money(units=4)).units)\n"
    )
    assert run(folder, program) == "True 4\n"
