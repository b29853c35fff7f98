"""Generated packages, protoc's own modules of the same files and Google's libraries live together in one process."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from eventflux_codegen import generate
from tests.project.import_graph import ROOT
from tests.support.coexisting import PARTIES

ORDER = """syntax = "proto3"; package shop;
import "google/iam/v1/policy.proto"; import "google/rpc/status.proto";
message Order { string id = 1; google.iam.v1.Policy policy = 2; google.rpc.Status status = 3; }
service Shop { rpc Place(Order) returns (Order); }
"""
PROVIDED = {
    "google/rpc/status.proto": """syntax = "proto3"; package google.rpc; import "google/protobuf/any.proto";
        message Status { int32 code = 1; string message = 2; repeated google.protobuf.Any details = 3; }""",
    "google/type/expr.proto": """syntax = "proto3"; package google.type;
        message Expr { string expression = 1; string title = 2; string description = 3; string location = 4; }""",
}
"""What is needed of them, so that the packages can be generated; their modules are those of the installed package."""
ORDERS = {
    "ours first": "one two protoc grpcio-status google-cloud",
    "theirs first": "google-cloud grpcio-status protoc two one",
    "status first": "grpcio-status one google-cloud two protoc",
    "stubs first": "protoc one google-cloud grpcio-status two",
    "client between": "one google-cloud two protoc grpcio-status",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two packages of ours and protoc's own modules, all of one file."""
    folder = tmp_path_factory.mktemp("coexistence")
    policy = metadata.distribution("grpc-google-iam-v1").locate_file("google/iam/v1/policy.proto")
    files = {**PROVIDED, "shop/order.proto": ORDER, "google/iam/v1/policy.proto": Path(str(policy)).read_text("utf-8")}
    for name, text in files.items():
        path = folder / "idl" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    make(folder, "one", "shop/order.proto")
    make(folder, "two", "shop/order.proto")
    outs = [f"--python_out={folder}", f"--grpc_python_out={folder}"]
    subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", f"-I{folder}/idl", *outs, "shop/order.proto"], check=True
    )
    return folder


def make(folder: Path, package: str, proto: str) -> None:
    """Generates a package into the folder."""
    config = folder / "idl" / f"{package}.yaml"
    config.write_text(f"package: {package}\noutput: ../{package}\nprotos: [{proto}]\n")
    generate(config)


def run(folder: Path, *arguments: str) -> str:
    """What a Python that finds the packages of the folder prints."""
    search = f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(folder)!r}]; sys.argv[1:] = {list(arguments[1:])!r}\n"
    done = subprocess.run([sys.executable, "-c", search + arguments[0]], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_all_are_used_in_one_process(folder: Path, order: str) -> None:
    assert sorted(order.split()) == sorted(PARTIES)
    assert run(folder, "from tests.support.coexisting import use; use(sys.argv[1:])", *order.split()) == "all\n"


@pytest.fixture(scope="module")
def other(folder: Path) -> Path:
    """The same folder with packages that do not fit to those: another version of a file, and a symbol elsewhere."""
    include = folder / "other"
    for name, text in {
        "shop/order.proto": 'syntax = "proto3"; package shop; message Order { string id = 1; string note = 2; }'
        "service Shop { rpc Place(Order) returns (Order); }",
        "outer.proto": 'syntax = "proto3"; package outer; import "shop/order.proto";'
        "message Order { string id = 1; shop.Order other = 2; }",
        "mine.proto": 'syntax = "proto3"; package shop; message Order { string id = 1; }',
    }.items():
        (include / name).parent.mkdir(parents=True, exist_ok=True)
        (include / name).write_text(text)
    for package, name in (("newer", "shop/order.proto"), ("outer", "outer.proto"), ("mine", "mine.proto")):
        (include / f"{package}.yaml").write_text(f"package: {package}\noutput: ../{package}\nprotos: [{name}]\n")
        generate(include / f"{package}.yaml")
    return folder


ADVICE = "make all modules of one version of the file, or give yours a path and a proto package of its own"
REFUSED = """
from eventflux_runtime import ConfigError, MissingExtraError
import one, {package} as other

one.Order().to_proto()
message = other.Order(id="x")
for attempt in (message.to_proto, lambda: other.Order.from_proto(one.Order().to_proto())):
    try:
        attempt()
    except ConfigError as error:
        print(error)
assert other.Order.from_wire(message.to_wire()) == other.Order.from_protobuf(message.to_protobuf()) == message
assert other.Order.from_json(message.to_json()) == message
one.Order().to_proto()
"""


@pytest.mark.parametrize(
    ("package", "reason"),
    [
        (
            "outer",
            "shop/order.proto does not fit what this process has already (duplicate file name shop/order.proto)",
        ),
        (
            "newer",
            "shop/order.proto does not fit what this process has already (duplicate file name shop/order.proto)",
        ),
        (
            "mine",
            "mine.proto does not fit what this process has already (duplicate symbol 'shop.Order' of shop/order.proto)",
        ),
    ],
)
def test_what_does_not_fit_is_said_and_the_rest_of_the_package_works(other: Path, package: str, reason: str) -> None:
    line = f"protobuf's objects of {package} cannot be loaded: {reason}: {ADVICE}\n"
    assert run(other, REFUSED.format(package=package)) == line * 2


SERVED = """
import logging
import anyio
import newer, one
from eventflux_runtime import ServerConfig, connect, serve
from eventflux_runtime.reflection.method import REFLECTION_V1
from tests.support.reflecting import ask

class Shop(newer.ShopService):
    async def place(self, request, context):
        return newer.Order(id=request.id, note="newer")

async def main():
    config = ServerConfig(reflection=True, drain_grace_s=0)
    async with serve([Shop()], "grpc://127.0.0.1:0", config=config) as server, connect(server.endpoints[0]) as channel:
        print((await newer.ShopClient(channel).place(newer.Order(id="x"), timeout_s=20)).note)
        names = ["shop.Shop", "shop.Shop.Place", "grpc.health.v1.Health"]
        for answer in await ask(channel, REFLECTION_V1, *({"file_containing_symbol": name} for name in names)):
            print(answer.error_response.error_message or len(answer.file_descriptor_response.file_descriptor_proto))
        (answer,) = await ask(channel, REFLECTION_V1, {"list_services": ""})
        print(*(service.name for service in answer.list_services_response.service))

logging.basicConfig(format="logged: %(message)s", stream=sys.stdout)
one.Order().to_proto()
anyio.run(main)
"""


def test_a_service_that_cannot_be_described_is_served(other: Path) -> None:
    reason = (
        "what newer.shop_order_pb2:DESCRIPTOR defines cannot be loaded: shop/order.proto does not fit what this "
        f"process has already (duplicate file name shop/order.proto): {ADVICE}"
    )
    ours = (
        "grpc.health.v1.Health grpc.reflection.v1.ServerReflection grpc.reflection.v1alpha.ServerReflection shop.Shop"
    )
    expected = ["newer", f"logged: {reason}", reason, reason, "1", ours]
    assert run(other, SERVED).splitlines() == expected


BLOCKED = """
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocker())
from eventflux_runtime import ConfigError
import one

try:
    one.Order().to_proto()
except ConfigError as error:
    print(type(error).__name__, error)
assert one.Order.from_protobuf(one.Order(id="x").to_protobuf()).id == "x"
"""


@pytest.mark.parametrize(
    ("module", "error"),
    [
        ("google.rpc", "MissingExtraError {} needs googleapis-common-protos: run pip install googleapis-common-protos"),
        ("google.protobuf", "MissingExtraError {} needs an extra: run pip install 'eventflux-transport[protobuf]'"),
        (
            "one.shop_order_pb2",
            "ConfigError {} needs one.shop_order_pb2, which cannot be imported: install the package that has it",
        ),
    ],
)
def test_what_is_missing_is_named(folder: Path, module: str, error: str) -> None:
    assert run(folder, BLOCKED, module) == error.format("protobuf's objects of one") + "\n"


def test_what_is_too_old_is_named(tmp_path: Path) -> None:
    """A package that has folders and modules of googleapis, but not this one."""
    program = """
import google.api
from eventflux_runtime import ConfigError
from eventflux_runtime.loading.proto import load_proto
try:
    load_proto("old_pb2:X", "this")
except ConfigError as error:
    print(error)
"""
    (tmp_path / "old_pb2.py").write_text("from google.api import no_such_pb2\n")
    assert run(tmp_path, program) == (
        "this needs google.api.no_such_pb2, which is not in the package that is installed: "
        "run pip install --upgrade googleapis-common-protos\n"
    )


def test_other_errors_of_a_module_stay_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "broken_pb2.py").write_text("raise TypeError('made by an old protoc')\n")
    program = """
from eventflux_runtime.loading.proto import load_proto
try:
    load_proto("broken_pb2:X", "this")
except TypeError as error:
    print(error)
"""
    assert run(tmp_path, program) == "made by an old protoc\n"
