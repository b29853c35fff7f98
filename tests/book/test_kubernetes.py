"""The manifests of docs/how-to/kubernetes.md agree with each other, with the server's defaults and with the client."""

from __future__ import annotations

import re
from typing import Any

from ruamel.yaml import YAML

from eventflux_node.cli.group import eventflux
from eventflux_runtime import ServerConfig, serve
from tests.support.page import blocks_of

BLOCKS = {block.name: block for block in blocks_of("docs/how-to/kubernetes.md")}
DEPLOYMENT, SERVICE = YAML(typ="safe").load_all(BLOCKS["orders.yaml"].text)
POD: dict[str, Any] = DEPLOYMENT["spec"]["template"]["spec"]
(CONTAINER,) = POD["containers"]
PORT = 7070


def test_one_port_is_meant_everywhere() -> None:
    (url,) = CONTAINER["args"]
    serve([], url)  # refuses what it cannot listen on, before it listens
    (probe,) = YAML(typ="safe").load_all(BLOCKS["probe.yaml"].text)
    told = re.findall(r"orders\.default\.svc\.cluster\.local:(\d+)", BLOCKS["client_of_pods.py"].text)
    ports = [
        int(url.rpartition(":")[2]),
        CONTAINER["ports"][0]["containerPort"],
        CONTAINER["readinessProbe"]["httpGet"]["port"],
        CONTAINER["livenessProbe"]["tcpSocket"]["port"],
        SERVICE["spec"]["ports"][0]["port"],
        probe["readinessProbe"]["grpc"]["port"],
        *map(int, told),
    ]
    assert ports == [PORT] * 7


def test_the_pod_outlives_the_drain() -> None:
    assert POD["terminationGracePeriodSeconds"] > ServerConfig().drain_grace_s + 1


def test_the_service_is_headless_and_finds_the_pods() -> None:
    assert SERVICE["spec"]["clusterIP"] == "None"
    assert SERVICE["spec"]["selector"] == DEPLOYMENT["spec"]["template"]["metadata"]["labels"]


def test_the_probe_asks_where_the_server_answers() -> None:
    assert CONTAINER["readinessProbe"]["httpGet"]["path"] == "/healthz"  # tests/server/test_one_port.py asks there


def test_the_command_is_one() -> None:
    probe = YAML(typ="safe").load(BLOCKS["exec.yaml"].text)["readinessProbe"]
    program, name, *arguments = probe["exec"]["command"]
    assert program == "eventflux"
    command = eventflux.get_command(eventflux.make_context(program, [name]), name)
    assert command is not None
    command.make_context(name, arguments)  # reads the options, and asks nobody
