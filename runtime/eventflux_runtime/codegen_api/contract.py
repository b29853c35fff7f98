"""Whether generated code and this runtime fit each other."""

from __future__ import annotations

from typing import Final

from eventflux_runtime.message.package import note_package
from eventflux_runtime.rpc.errors import ConfigError

__all__ = ["CONTRACT_VERSION", "check_contract"]

CONTRACT_VERSION: Final = 5
"""What generated code may count on; rises when code of an older generator would no longer work."""


def check_contract(version: int, package: str) -> None:
    """Checks at import that generated code and runtime fit each other.

    Raises:
        ConfigError: they do not; the message says which one to renew.
    """
    if version > CONTRACT_VERSION:
        raise ConfigError(
            f"{package} was generated for runtime contract {version}, this runtime offers {CONTRACT_VERSION}: "
            "upgrade eventflux-transport"
        )
    if version < CONTRACT_VERSION:
        raise ConfigError(
            f"{package} was generated for runtime contract {version}, this runtime needs {CONTRACT_VERSION}: "
            "run eventflux-codegen generate again"
        )
    note_package(package)
