"""A name server in this process."""

from __future__ import annotations

import anyio


class Directory:
    """What names resolve to; `asked` are the times of the lookups."""

    def __init__(self, **hosts: tuple[str, ...]) -> None:
        self.hosts = hosts
        self.asked: list[float] = []

    async def lookup(self, host: str, port: int) -> tuple[str, ...]:
        self.asked.append(anyio.current_time())
        await anyio.lowlevel.checkpoint()
        if host not in self.hosts:
            raise OSError(-2, "Name or service not known")
        return self.hosts[host]
