"""`eventflux health`: an exit code that a probe can rely on, for every server that speaks the protocol."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest
from anyio.from_thread import start_blocking_portal
from grpc_health.v1.health_pb2 import HealthCheckResponse

from eventflux_node.cli import main
from eventflux_runtime import ServerConfig, ServingStatus, serve
from tests.support.node_command import COMMAND
from tests.support.shop import SERVICE, Shop, grpcio_shop


@pytest.mark.parametrize("server", ["tcp", "unix", "grpc", "ws"])
def test_each_status_has_its_exit_code(server: str, urls: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["health", urls[server]]) == 0
    assert main(["health", urls[server], SERVICE]) == 0
    assert main(["health", urls[server], "no.Such"]) == 1
    assert capsys.readouterr().out == "SERVING\nSERVING\nSERVICE_UNKNOWN\n"


def test_a_server_of_grpcio_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    with grpcio_shop("v1") as (url, statuses):
        assert main(["health", url]) == 0
        statuses.set("", HealthCheckResponse.NOT_SERVING)
        assert main(["health", url]) == 1
    assert capsys.readouterr().out == "SERVING\nNOT_SERVING\n"
    assert main(["health", url]) == 3
    assert capsys.readouterr().err.startswith(f"eventflux: UNAVAILABLE: cannot connect to {url}")


@pytest.mark.parametrize("options", [[], ["--watch"]], ids=["check", "watch"])
@pytest.mark.parametrize("scheme", ["tcp", "grpc"])
def test_no_answer_in_time_is_no_answer(scheme: str, options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:  # connections are taken, and nobody reads them
        url = f"{scheme}://127.0.0.1:{mute.getsockname()[1]}"
        assert main(["health", url, "--timeout", "0.1", *options]) == 3
    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    assert captured.err.startswith("eventflux: no answer within 0.1 s")


def test_changes_are_printed_as_they_happen() -> None:
    config = ServerConfig(drain_grace_s=0)
    with start_blocking_portal() as portal:
        with portal.wrap_async_context_manager(serve([Shop()], "tcp://127.0.0.1:0", config=config)) as server:
            command = [*COMMAND, "health", server.endpoints[0], SERVICE, "--watch"]
            watch = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            assert watch.stdout is not None
            assert watch.stdout.readline() == "SERVING\n"
            portal.call(server.health.set, SERVICE, ServingStatus.NOT_SERVING)
            assert watch.stdout.readline() == "NOT_SERVING\n"
        _, errors = watch.communicate(timeout=30)
    assert watch.returncode == 3
    assert errors.startswith("eventflux: UNAVAILABLE: ")


def test_a_probe_imports_little() -> None:
    heavy = {"google", "grpc", "rich", "psutil", "matplotlib", "eventflux_transport", "eventflux_codegen"}
    program = (
        "import sys; from eventflux_node.cli import main\n"
        "code = main(['health', 'tcp://127.0.0.1:1'])\n"
        f"print(code, sorted({heavy!r} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout == "3 []\n"
