"""Follows a page as its reader does: makes its files, types its commands, and compares what they print."""

from __future__ import annotations

import os
import selectors
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from tests.support.page import Block, expected_output, timeless

PATIENCE_S: Final = 30
PORT: Final = ":7070"
WITHOUT_ASYNCIO: Final = {"PYTEST_ADDOPTS": "-p no:asyncio"}
"""For a reader's pytest: a reader need not have pytest-asyncio, which warns where it is not configured."""


class Follower:
    """A folder that begins empty, and at most one server at a time, which is stopped when the next one starts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._server: subprocess.Popen[str] | None = None
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = f":{free.getsockname()[1]}"
        places = [str(Path(sys.executable).parent), os.environ["PATH"]]
        self._environment = {
            **os.environ,
            "PATH": os.pathsep.join(places),
            "PYTHONWARNINGS": "error",
            **WITHOUT_ASYNCIO,
        }

    def follow(self, blocks: list[Block]) -> None:
        """All blocks of a page in their order.

        Raises:
            AssertionError: a command fails, or prints something else than the page says.
        """
        for number, block in enumerate(blocks):
            if block.language == "sh":
                for command in block.commands:
                    self._type(command, expected_output(blocks, number), block)
            elif block.language != "text":
                replace(block, text=block.text.replace(PORT, self._port)).write(self._folder)

    def _type(self, command: str, expected: str | None, block: Block) -> None:
        words = shlex.split(command.replace(PORT, self._port))
        if words[:2] == ["pip", "install"]:
            return  # the environment of the suite has it; tests/book/test_pages.py looks at what is named
        if words[0] == "python" and words[1].endswith("server.py"):
            self._start(words, expected, block)
            return
        done = subprocess.run(
            words,
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )
        assert done.returncode == 0, f"{block}: {command}\n{done.stdout}{done.stderr}"
        assert done.stderr == "", f"{block}: {command}\n{done.stderr}"
        if expected is not None:
            assert timeless(done.stdout) == timeless(expected), f"{block}: {command}"

    def _start(self, words: Sequence[str], expected: str | None, block: Block) -> None:
        assert expected is not None, f"{block}: a server has to say when it serves"
        self.stop()
        self._server = subprocess.Popen(
            words, cwd=self._folder, env=self._environment, stdout=subprocess.PIPE, text=True
        )
        assert self._server.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._server.stdout, selectors.EVENT_READ)
            assert selector.select(PATIENCE_S), f"{block}: the server says nothing"
        assert self._server.stdout.readline() == expected.replace(PORT, self._port), str(block)

    def stop(self) -> None:
        """Stops the server, if one runs, as Ctrl-C does."""
        server, self._server = self._server, None
        if server is None:
            return
        server.send_signal(signal.SIGINT)
        rest, _ = server.communicate(timeout=PATIENCE_S)
        assert (server.returncode, rest) == (0, "")
