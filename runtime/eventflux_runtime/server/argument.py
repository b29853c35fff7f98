"""What `serve` is given: checked before anything is bound."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from eventflux_runtime.rpc.argument import config_or_default, refuse_unseen_metrics, refuse_unused_tls
from eventflux_runtime.rpc.checked import shown
from eventflux_runtime.rpc.config import ServerConfig
from eventflux_runtime.rpc.endpoint import Endpoint, parse_endpoint
from eventflux_runtime.rpc.errors import ConfigError
from eventflux_runtime.rpc.handler import checked_interceptors
from eventflux_runtime.server.interceptor import ServerInterceptor
from eventflux_runtime.server.service import Service, checked_bindings

__all__ = ["ServeArguments", "checked_arguments", "checked_surroundings"]


class ServeArguments(NamedTuple):
    """The arguments of `serve`, each as it has to be."""

    services: tuple[Service, ...]
    endpoints: tuple[Endpoint, ...]
    config: ServerConfig
    interceptors: tuple[ServerInterceptor, ...]


def checked_arguments(
    services: Iterable[Service],
    urls: Sequence[str],
    config: ServerConfig | None,
    interceptors: Iterable[ServerInterceptor],
) -> ServeArguments:
    """The arguments of `serve`.

    Raises:
        ConfigError: one is not what it should be, there is nothing to serve, or nowhere.
    """
    settings = config_or_default(config, ServerConfig)
    given = _checked_services(services)
    if not given and not settings.health:
        raise ConfigError("nothing to serve: the list of services is empty, and ServerConfig.health is off")
    return checked_surroundings(urls, settings, interceptors)._replace(services=given)


def checked_surroundings(
    urls: Sequence[str], config: ServerConfig | None, interceptors: Iterable[ServerInterceptor]
) -> ServeArguments:
    """The arguments of `serve` but for the services, of which there are none.

    Raises:
        ConfigError: one is not what it should be, or there is nowhere to serve.
    """
    settings = config_or_default(config, ServerConfig)
    if not urls:
        raise ConfigError("no endpoint given: pass a URL such as tcp://127.0.0.1:7070")
    endpoints = tuple(_endpoint(url) for url in urls)
    refuse_unused_tls(endpoints, settings.tls)
    refuse_unseen_metrics(endpoints, settings.web)
    return ServeArguments((), endpoints, settings, checked_interceptors(interceptors, "context", "proceed"))


def _endpoint(url: object) -> Endpoint:
    if not isinstance(url, str):
        raise ConfigError(f"an address is a URL such as tcp://127.0.0.1:7070, not {shown(url)}")
    return parse_endpoint(url)


def _checked_services(services: Iterable[Service]) -> tuple[Service, ...]:
    given: object = services
    if isinstance(given, str | bytes | Service) or not isinstance(given, Iterable):
        raise ConfigError(f"services is a list and comes first: write serve([service], url), not {shown(given)}")
    kept: list[Service] = []
    for index, service in enumerate(given):
        if not isinstance(service, Service):
            raise ConfigError(f"services[{index}] must be a service, not {shown(service)}")
        checked_bindings(service)
        kept.append(service)
    return tuple(kept)
