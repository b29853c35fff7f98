"""Bounds an attempt to connect, and turns whatever it fails with into Unavailable with a reason and what to do."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import anyio

from eventflux_runtime.net.tls import explain_tls
from eventflux_runtime.rpc.endpoint import Endpoint
from eventflux_runtime.rpc.errors import TransportError
from eventflux_runtime.rpc.rpc_error import Unavailable

__all__ = ["connecting", "why_not", "why_not_found"]


@contextmanager
def connecting(endpoint: Endpoint, timeout_s: float, limit: str) -> Iterator[None]:
    """Bounds an attempt by a time, which `limit` names, and turns what the system raises into Unavailable."""
    try:
        with anyio.fail_after(timeout_s):
            yield
    except TimeoutError:
        raise _unreachable(endpoint, f"nothing answered within {limit}; check the address and firewalls") from None
    except ssl.SSLError as error:
        raise _unreachable(endpoint, explain_tls(error, "the server")) from None
    except TransportError:
        raise
    except Exception as error:  # an OSError, or what a resolver or a loop raises that is none
        raise _unreachable(endpoint, why_not(error, endpoint.path)) from error


def why_not_found(error: BaseException) -> str:
    """What a failed look-up of a host says, and what to do."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
    return f"the host name is not known ({reason.lower()}); check its spelling and DNS"


def why_not(error: BaseException, path: str = "") -> str:
    """What the failure of a look-up, of connecting or of accepting says, and what to do; `path` is a Unix socket's."""
    while True:
        if isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        elif error.__cause__ is not None and not (isinstance(error, OSError) and error.errno):
            error = error.__cause__  # anyio wraps what the system said
        else:
            break
    if isinstance(error, FileNotFoundError):
        return f"no such socket: {path}; is the server running?"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused; is a server listening there?"
    if isinstance(error, socket.gaierror):
        return why_not_found(error)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    if isinstance(error, UnicodeError):
        return f"the host name is not valid ({error}); check its spelling"
    if isinstance(error, OSError | anyio.EndOfStream | anyio.BrokenResourceError | anyio.ClosedResourceError):
        return str(error) or "the connection was closed during the handshake"
    return str(error) or type(error).__name__


def _unreachable(endpoint: Endpoint, reason: str) -> Unavailable:
    return Unavailable(f"cannot connect to {endpoint}: {reason}")
