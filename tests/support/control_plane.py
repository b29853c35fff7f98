"""A small xDS control plane: one service behind one cluster of a few addresses, over ADS.

The resources are those of https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol, as far as gRPC reads them
(https://github.com/grpc/proposal/blob/master/A27-xds-global-load-balancing.md).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.core.v3.health_check_pb2 import HEALTHY
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.extensions.filters.http.router.v3.router_pb2 import Router
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)
from envoy.service.discovery.v3.ads_pb2_grpc import (
    AggregatedDiscoveryServiceServicer,
    add_AggregatedDiscoveryServiceServicer_to_server,
)
from envoy.service.discovery.v3.discovery_pb2 import DiscoveryResponse
from google.protobuf.any_pb2 import Any as Packed
from grpc import aio

CLUSTER = "cluster"


class ControlPlane(AggregatedDiscoveryServiceServicer):  # type: ignore[misc] # xds-protos has no types
    """Answers each request with the one resource of its type; the addresses are the ports of this machine."""

    def __init__(self, service: str, ports: Sequence[int]) -> None:
        self._resources = {
            _type_url(resource): resource for resource in (_listener(service), _cluster(), _endpoints(ports))
        }
        self.asked: set[str] = set()
        """The types that were asked for, without their packages."""

    async def StreamAggregatedResources(  # noqa: N802 - the IDL's name
        self, requests: AsyncIterator[Any], _: Any
    ) -> AsyncIterator[Any]:
        async for request in requests:
            resource = self._resources.get(request.type_url)
            if resource is None or request.version_info:
                continue  # of no use here, or an acknowledgement
            self.asked.add(request.type_url.rpartition(".")[2])
            yield DiscoveryResponse(
                version_info="1", nonce="1", type_url=request.type_url, resources=[_packed(resource)]
            )


def _type_url(resource: Any) -> str:
    return f"type.googleapis.com/{resource.DESCRIPTOR.full_name}"


def _packed(message: Any) -> Packed:
    packed = Packed()
    packed.Pack(message)
    return packed


def _listener(service: str) -> Any:
    manager = HttpConnectionManager()
    host = manager.route_config.virtual_hosts.add(name="all", domains=["*"])
    route = host.routes.add()
    route.match.prefix = ""
    route.route.cluster = CLUSTER
    manager.http_filters.add(name="router").typed_config.Pack(Router())
    listener = Listener(name=service)
    listener.api_listener.api_listener.Pack(manager)
    return listener


def _cluster() -> Any:
    cluster = Cluster(name=CLUSTER, type=Cluster.EDS, lb_policy=Cluster.ROUND_ROBIN)
    cluster.eds_cluster_config.eds_config.ads.SetInParent()
    return cluster


def _endpoints(ports: Sequence[int]) -> Any:
    assignment = ClusterLoadAssignment(cluster_name=CLUSTER)
    locality = assignment.endpoints.add(load_balancing_weight={"value": 1})
    locality.locality.region = "here"
    for port in ports:
        endpoint = locality.lb_endpoints.add(health_status=HEALTHY)
        endpoint.endpoint.address.socket_address.address = "127.0.0.1"
        endpoint.endpoint.address.socket_address.port_value = port
    return assignment


@asynccontextmanager
async def control_plane(service: str, ports: Sequence[int]) -> AsyncIterator[tuple[ControlPlane, str]]:
    """A control plane that serves, and the bootstrap that leads a gRPC client to it, as JSON."""
    plane = ControlPlane(service, ports)
    server = aio.server()
    add_AggregatedDiscoveryServiceServicer_to_server(plane, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    xds_server = {
        "server_uri": f"127.0.0.1:{port}",
        "channel_creds": [{"type": "insecure"}],
        "server_features": ["xds_v3"],
    }
    try:
        yield plane, json.dumps({"xds_servers": [xds_server], "node": {"id": "test"}})
    finally:
        await server.stop(None)
