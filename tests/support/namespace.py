"""A program in network and mount namespaces of its own, where addresses, families and names are what a test says."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

__all__ = ["NO_IPV6", "run_inside"]

NO_IPV6 = (
    "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6",
    r"printf '::1 localhost\n127.0.0.1 localhost\n' > hosts",
    "mount --bind hosts /etc/hosts",
)
"""A machine without IPv6 whose list of hosts does not know of it, as many containers are."""


def run_inside(setup: tuple[str, ...], script: str, *arguments: str, folder: Path) -> str:
    """What a Python program prints that runs after the commands of `setup`; skips where the machine allows none."""
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        pytest.skip("namespaces need the commands unshare and ip")
    commands = ("set -e", "here=$PWD", f"cd {folder}", "ip link set lo up", *setup, "cd $here", 'exec "$@"')
    inside = ["unshare", "-n", "-m", "sh", "-c", "; ".join(commands), "sh"]
    probe = subprocess.run([*inside, "true"], capture_output=True, text=True, check=False)
    if probe.returncode != 0:
        pytest.skip(f"this machine allows no such namespace: {probe.stderr.strip()}")
    command = [*inside, sys.executable, "-c", script, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
