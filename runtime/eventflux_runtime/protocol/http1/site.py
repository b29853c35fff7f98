"""What stands at which path of a port: the health of its services, pages, and the way to other protocols."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from urllib.parse import parse_qs

from eventflux_runtime.net.limited_log import LimitedLog
from eventflux_runtime.protocol.api import Dispatcher, Offer
from eventflux_runtime.protocol.http1.answer import Answer, told
from eventflux_runtime.protocol.http1.head import RequestHead
from eventflux_runtime.rpc.config import ServerConfig
from eventflux_runtime.rpc.endpoint import Endpoint
from eventflux_runtime.rpc.web import HEALTH_PATH, Page, PageSource

__all__ = ["Site"]


class Site:
    """Answers the requests of one endpoint."""

    def __init__(
        self,
        endpoint: Endpoint,
        config: ServerConfig,
        dispatcher: Dispatcher,
        offers: Sequence[Offer],
        log: LimitedLog,
    ) -> None:
        self._schemes = endpoint.scheme.replace("+", ", ")
        self._has_health = config.health
        self._pages: Mapping[str, PageSource] = config.web.pages if config.web is not None else {}
        self._dispatcher = dispatcher
        self._offers = tuple(offers)
        self._log = log

    @property
    def about(self) -> str:
        """What this port is, in a few words."""
        places = "".join(f"; a {offer.token} is at {offer.path}" for offer in self._offers)
        return f"this port serves RPC ({self._schemes}) and is no web server's{places}"

    def offer_for(self, head: RequestHead) -> Offer | None:
        """What the request asks for in the place of an answer; None: an answer."""
        tokens = head.tokens("upgrade") if head.method == "GET" else []
        return next((offer for offer in self._offers if offer.token in tokens and offer.path == head.path), None)

    def answer(self, head: RequestHead) -> Answer:
        """What the request gets."""
        if head.method not in {"GET", "HEAD"}:
            return told(HTTPStatus.METHOD_NOT_ALLOWED, f"use GET: {self.about}", [("Allow", "GET, HEAD")])
        if head.path == HEALTH_PATH and self._has_health:
            return self._health(head.query)
        page = self._pages.get(head.path)
        if page is not None and "websocket" not in head.tokens("upgrade"):
            return self._shown(head.path, page)
        return told(HTTPStatus.NOT_FOUND, f"nothing is at {head.path[:100]}: {self.about}")

    def _health(self, query: str) -> Answer:
        try:
            service = parse_qs(query, max_num_fields=8).get("service", [""])[-1]
        except ValueError:
            return told(HTTPStatus.BAD_REQUEST, f"ask for {HEALTH_PATH}, or for {HEALTH_PATH}?service=name")
        is_serving = self._dispatcher.is_serving(service)
        if is_serving is None:
            return told(HTTPStatus.NOT_FOUND, "SERVICE_UNKNOWN")
        if is_serving:
            return told(HTTPStatus.OK, "SERVING")
        return told(HTTPStatus.SERVICE_UNAVAILABLE, "NOT_SERVING")

    def _shown(self, path: str, source: PageSource) -> Answer:
        try:
            page = source if isinstance(source, Page) else source()
            if not isinstance(page, Page):
                raise TypeError(f"a page is a Page, not {type(page).__name__}")
        except Exception as error:  # noqa: BLE001 - logged: whatever a program's own function fails with
            self._log.warning("the page at %s cannot be made", path, error=error)
            return told(HTTPStatus.INTERNAL_SERVER_ERROR, "the page cannot be made; the server's log says why")
        return Answer(HTTPStatus.OK, page.body, page.content_type, page.headers)
