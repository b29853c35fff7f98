"""Has nghttp2's h2load call our gRPC server and grpcio's: how fast each answers a client that nobody here wrote.

    python -m benchmarks.h2load --compiled

One connection with 64 calls in flight, the message of the other benchmarks, rounds in turn. h2load is in Debian's
package nghttp2-client. It looks at the HTTP status of an answer and not at its ``grpc-status``, which the servers are
asked for once beforehand.
"""

from __future__ import annotations

import argparse
import re
import shutil
import statistics
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from benchmarks.call import hosted
from benchmarks.form import use_form
from benchmarks.loop import LOOPS, run_on
from benchmarks.peers.api import Place
from benchmarks.peers.registry import peer_named
from benchmarks.sample import SMALL_PAYLOAD, fields
from benchmarks.workload import IN_FLIGHT

SERVERS: Final = ("grpc", "grpc.aio")
METHOD: Final = "/eventflux.transport.Transport/SendMessage"
_FIGURES: Final = re.compile(r"finished in [\d.]+m?s, ([\d.]+) req/s.*?(\d+) failed, (\d+) errored", re.DOTALL)


def request_bytes() -> bytes:
    """The body of a call: one message behind its prefix ("Length-Prefixed-Message" in PROTOCOL-HTTP2.md)."""
    from eventflux_transport import TransportMessage  # noqa: PLC0415 - once its form is chosen

    message = TransportMessage(**fields(SMALL_PAYLOAD)).to_protobuf()
    return b"\0" + len(message).to_bytes(4, "big") + message


async def _answers(place: Place, wire: str) -> None:
    async with peer_named(wire).connect(place) as calls:
        await calls.small()


def measure(wire: str, loop: str, seconds: int) -> float:
    """Calls per second of one server."""
    with tempfile.TemporaryDirectory() as name, hosted(wire, loop, Path(name)) as (place, _):
        run_on(loop, _answers, place, wire)
        body = Path(name) / "request"
        body.write_bytes(request_bytes())
        url = f"http://{place.address.rpartition('/')[2]}{METHOD}"
        command = ["h2load", "--clients=1", f"--max-concurrent-streams={IN_FLIGHT}", f"--duration={seconds}"]
        command += [
            "--warm-up-time=1",
            f"--data={body}",
            "--header=content-type: application/grpc",
            "--header=te: trailers",
        ]
        done = subprocess.run([*command, url], capture_output=True, text=True, check=False)
    found = _FIGURES.search(done.stdout)
    if found is None or (found[2], found[3]) != ("0", "0"):
        raise SystemExit(f"h2load did not get its answers:\n{done.stdout}{done.stderr}")
    return float(found[1])


def main() -> None:
    """Prints calls per second of both servers, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--loop", choices=LOOPS, default="uvloop")
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--compiled", action="store_true", help="the hot modules compiled by mypyc")
    options = parser.parse_args()
    if shutil.which("h2load") is None:
        raise SystemExit("there is no h2load: install Debian's nghttp2-client")
    use_form("compiled" if options.compiled else "interpreted")
    rounds = [{wire: measure(wire, options.loop, options.seconds) for wire in SERVERS} for _ in range(options.rounds)]
    for wire in SERVERS:
        print(f"{wire:<10}{statistics.median(each[wire] for each in rounds):>12,.0f} calls/s")
    print(f"ratio     {statistics.median(each['grpc'] / each['grpc.aio'] for each in rounds):>12.1f}")


if __name__ == "__main__":
    main()
