"""Whether a class that another generated package has is the one that generated code was made for."""

from __future__ import annotations

from typing import Any

from eventflux_runtime.rpc.errors import ConfigError

__all__ = ["expect_fields"]


def expect_fields(kind: type[Any], *names: str) -> None:
    """Checks at import that a message class has these attributes, in this order.

    Raises:
        ConfigError: it has others; the message says what to renew.
    """
    found: tuple[str, ...] = kind.__struct_fields__
    if found != names:
        package = kind.__module__.rpartition(".")[0]
        raise ConfigError(
            f"{package}.{kind.__name__} has the fields {', '.join(found) or 'none'}, where the IDL here has "
            f"{', '.join(names) or 'none'}: generate both packages from the same .proto files"
        )
