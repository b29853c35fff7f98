"""A program that serves with few open files, and logs to its standard error."""

from __future__ import annotations

import logging
import os
import resource
import sys

import anyio

from eventflux_runtime import Server, ServerConfig, serve_forever
from tests.support.probe import Probe

SPARE_FILES = 40
"""How many more files it may open."""


async def main(url: str) -> None:
    """Serves until a signal comes."""

    def started(server: Server) -> None:
        limit = len(os.listdir("/proc/self/fd")) + SPARE_FILES
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        print(server.endpoints[0], flush=True)

    await serve_forever([Probe()], url, config=ServerConfig(drain_grace_s=0), on_started=started)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    loop = sys.argv[1]
    anyio.run(
        main,
        sys.argv[2],
        backend="trio" if loop == "trio" else "asyncio",
        backend_options={} if loop == "trio" else {"use_uvloop": loop == "uvloop"},
    )
