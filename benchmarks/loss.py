"""Latency of calls on a network that loses packets, TCP beside QUIC: ``python -m benchmarks.loss``.

Both wires go through the same network device, whose other end is this program: it loses packets each way by a seed, and
sends the others back with source and destination exchanged, so that they arrive at the server on the same machine.
Exchanged addresses leave checksums as they are. It needs Linux, /dev/net/tun, the commands `ip` and `unshare`, and the
right to use them; the device is in a network namespace of its own, which goes with the program.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import random
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import anyio
import trustme

from benchmarks.loop import LOOPS, run_on
from benchmarks.peers.eventflux import Echo
from eventflux_runtime import ClientConfig, PoolConfig, ServerConfig, TlsConfig, connect, serve
from eventflux_transport import Message, TransportClient

HERE: Final = "10.9.0.1"
THERE: Final = "10.9.0.2"
WIRES: Final = ("tcp", "quic")
DEVICE: Final = b"eft0"
PAYLOAD: Final = b"x" * 300
_TUNSETIFF: Final = 0x400454CA
_IFF_TUN_NO_PI: Final = 0x1001
_PATIENCE_S: Final = 120.0


def reflect(loss: float, seed: int) -> None:
    """Makes the device, says so, and moves packets until it is killed."""
    tun = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tun, _TUNSETIFF, struct.pack("16sH14x", DEVICE, _IFF_TUN_NO_PI))
    for command in (f"addr add {HERE}/24 dev eft0", "link set eft0 up", "link set lo up"):
        subprocess.run(["ip", *command.split()], check=True)
    print("ready", flush=True)
    chance = random.Random(seed)
    while True:
        packet = os.read(tun, 65536)
        if packet[0] >> 4 == 4 and chance.random() >= loss:
            os.write(tun, packet[:12] + packet[16:20] + packet[12:16] + packet[20:])


async def serve_wire(wire: str, folder: Path) -> None:
    """Serves until it is killed, and says where."""
    tls = TlsConfig(cert_file=str(folder / "cert.pem"), key_file=str(folder / "key.pem")) if wire == "quic" else None
    async with serve([Echo()], f"{wire}://{HERE}:0", config=ServerConfig(tls=tls)) as server:
        print(server.endpoints[0].rpartition(":")[2], flush=True)
        await anyio.sleep_forever()


async def measure(url: str, folder: Path, calls: int, in_flight: int) -> list[float]:
    """Milliseconds of each call."""
    tls = TlsConfig(ca_file=str(folder / "ca.pem"), server_name="127.0.0.1") if url.startswith("quic") else None
    config = ClientConfig(tls=tls, connect_timeout_s=30, pool=PoolConfig(acquire_timeout_s=_PATIENCE_S))
    times: list[float] = []
    async with connect(url, config=config) as channel:
        client = TransportClient(channel)
        await client.send_message(Message(payload=PAYLOAD), timeout_s=_PATIENCE_S)

        async def work() -> None:
            for _ in range(calls // in_flight):
                began = time.perf_counter()
                await client.send_message(Message(payload=PAYLOAD), timeout_s=_PATIENCE_S)
                times.append(1000 * (time.perf_counter() - began))

        async with anyio.create_task_group() as tasks:
            for _ in range(in_flight):
                tasks.start_soon(work)
    return times


def child(*arguments: str) -> subprocess.Popen[str]:
    """This program in another role, within the namespace."""
    command = [sys.executable, "-m", "benchmarks.loss", "--inside", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def first_line(process: subprocess.Popen[str]) -> str:
    """What a child says first."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def certify(folder: Path) -> None:
    """Certificates for both sides."""
    authority = trustme.CA()
    leaf = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    leaf.private_key_pem.write_to_path(folder / "key.pem")
    leaf.cert_chain_pems[0].write_to_path(folder / "cert.pem")


def compare(options: argparse.Namespace) -> None:
    """Prints a row for each wire."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        certify(folder)
        reflector = child("--reflect", f"--loss={options.loss}", f"--seed={options.seed}")
        try:
            if first_line(reflector) != "ready":
                sys.exit("the network device could not be made")
            for wire in WIRES:
                server = child("--serve", wire, f"--folder={folder}", f"--loop={options.loop}")
                try:
                    url = f"{wire}://{THERE}:{first_line(server)}"
                    times = run_on(options.loop, measure, url, folder, options.calls, options.in_flight)
                finally:
                    server.kill()
                    server.wait()
                cut = statistics.quantiles(times, n=100)
                print(
                    f"{wire:<5} p50 {cut[49]:8.1f} ms   p99 {cut[98]:8.1f} ms   most {max(times):8.1f} ms", flush=True
                )
        finally:
            reflector.kill()
            reflector.wait()


def main() -> None:
    """Enters a namespace of its own, and compares there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--loss", type=float, default=0.1, help="share of the packets that are lost, each way")
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--in-flight", type=int, default=8)
    parser.add_argument("--loop", choices=LOOPS, default="uvloop")
    parser.add_argument("--seed", type=int, default=1)
    for role in ("--inside", "--reflect"):
        parser.add_argument(role, action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.reflect:
        reflect(options.loss, options.seed)
    elif options.serve:
        run_on(options.loop, serve_wire, options.serve, options.folder)
    elif options.inside:
        compare(options)
    elif shutil.which("unshare") is None or shutil.which("ip") is None or not os.path.exists("/dev/net/tun"):
        sys.exit("this needs /dev/net/tun and the commands unshare and ip")
    else:
        os.execvp("unshare", ["unshare", "-n", sys.executable, "-m", "benchmarks.loss", "--inside", *sys.argv[1:]])


if __name__ == "__main__":
    main()
