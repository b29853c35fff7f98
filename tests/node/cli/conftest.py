"""Servers that the tests of commands share."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.shop import grpcio_shop, shop


@pytest.fixture(scope="package")
def urls() -> Iterator[dict[str, str]]:
    """Our inventory on four wires, by scheme, and grpcio's with reflection in either version."""
    with (
        tempfile.TemporaryDirectory(dir="/tmp") as folder,  # short, for a socket
        shop(Path(folder)) as ours,
        grpcio_shop("v1") as (v1, _),
        grpcio_shop("v1alpha") as (v1alpha, _),
    ):
        yield {**ours, "grpcio-v1": v1, "grpcio-v1alpha": v1alpha}
