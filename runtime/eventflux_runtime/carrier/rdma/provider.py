"""Which of libfabric's providers moves the bytes: hardware, unless the URL names another.

So nobody takes sockets for RDMA.

Of libfabric's own providers for hardware only ``verbs`` (InfiniBand, RoCE and iWARP, by rdma_cm) has connected
endpoints. Those of other networks (efa, cxi, opx, psm3, ucx, usnic) have endpoints without connections, or none that
are RDMA. What is left runs in software: over sockets (``tcp``, ``sockets``, ``udp``) or within one machine (``shm``).
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import Any, Final

from eventflux_runtime.carrier.rdma.declaration import (
    API_VERSION,
    CONTEXT,
    CONTEXT2,
    EP_DGRAM,
    EP_MSG,
    EP_RDM,
    MR_ALLOCATED,
    MR_LOCAL,
    MR_PROV_KEY,
    MR_VIRT_ADDR,
    MSG,
    NUMERICHOST,
    ORDER_SAS,
    RMA,
    SOURCE,
    THREAD_SAFE,
)
from eventflux_runtime.carrier.rdma.library import FFI, Library, load_library
from eventflux_runtime.rpc.errors import ConfigError

__all__ = ["HARDWARE", "ProviderReport", "Wanted", "find_info", "probe", "report_providers"]

HARDWARE: Final = ("verbs",)
"""Providers of connected endpoints that are RDMA; taken without being named."""
_OTHER_HARDWARE: Final = ("bgq", "cxi", "efa", "gni", "opx", "psm", "psm2", "psm3", "ucx", "usnic")
_ENDPOINTS: Final = {EP_MSG: "connected", EP_DGRAM: "datagram", EP_RDM: "reliable datagram"}
_NO_DATA: Final = 61
"""FI_ENODATA: nothing fits what is asked for. The system's number of it differs where that is not Linux."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a connection or a listener asks for."""

    host: str
    """An IP address, with a zone where it needs one."""
    port: int
    provider: str
    """Empty: one that is hardware."""
    is_listening: bool


@dataclass(frozen=True, slots=True)
class ProviderReport:
    """What libfabric tells of one provider on this machine."""

    name: str
    version: str
    endpoints: tuple[str, ...]
    """The kinds of endpoints that it has."""
    is_hardware: bool
    is_usable: bool
    """Whether ``rdma://`` can take it."""


def find_info(library: Library, wanted: Wanted) -> Any:
    """A ``struct fi_info`` of the endpoint that fits best, freed with the object that is returned.

    May take long: the first call asks every provider what there is. What can read from the peer's memory is preferred.

    Raises:
        ConfigError: no provider fits; the message says which there are.
        OSError: the provider does not have that address.
    """
    error: OSError | None = None
    for capabilities in (MSG | RMA, MSG):
        try:
            return _ask(library, wanted, capabilities)
        except OSError as failure:
            error = failure
    assert error is not None
    known = report_providers(library)
    usable = [one.name for one in known if one.is_usable]
    names = ", ".join(usable) or "none"
    if not wanted.provider and not any(one.is_usable and one.is_hardware for one in known):
        raise ConfigError(
            f"rdma:// needs an RDMA card, and libfabric finds none (providers of connected endpoints here: {names}); "
            "check the driver with ibv_devices, or name one that runs in software, as in ?provider=tcp"
        )
    if wanted.provider and wanted.provider not in usable:
        raise ConfigError(
            f"libfabric has no provider {wanted.provider!r} with connected endpoints here: it has {names}"
        )
    raise error


def _ask(library: Library, wanted: Wanted, capabilities: int) -> Any:
    hints = _hints(library, capabilities)
    flags = NUMERICHOST | (SOURCE if wanted.is_listening else 0)
    found = _get_info(library, hints, wanted.provider, wanted.host, wanted.port, flags)
    try:
        for info in _each(found):
            name = _text(info.fabric_attr.prov_name)
            if info.ep_attr.type == EP_MSG and name in ((wanted.provider,) if wanted.provider else HARDWARE):
                chosen = library.functions.fi_dupinfo(info)
                return FFI.gc(chosen, library.functions.fi_freeinfo)
    finally:
        library.functions.fi_freeinfo(found)
    raise OSError(errno.EADDRNOTAVAIL, "no RDMA card of this machine reaches that address")


def _hints(library: Library, capabilities: int) -> Any:
    hints = library.functions.fi_dupinfo(FFI.NULL)
    if hints == FFI.NULL:
        raise MemoryError("libfabric has no memory left")
    hints.caps = capabilities
    hints.mode = CONTEXT | CONTEXT2
    hints.ep_attr.type = EP_MSG
    hints.tx_attr.msg_order = hints.rx_attr.msg_order = ORDER_SAS
    hints.domain_attr.threading = THREAD_SAFE
    hints.domain_attr.mr_mode = MR_LOCAL | MR_VIRT_ADDR | MR_ALLOCATED | MR_PROV_KEY
    return hints


def _get_info(library: Library, hints: Any, provider: str, host: str, port: int, flags: int) -> Any:
    """The list for some hints, which are freed.

    Raises:
        OSError: nothing fits.
    """
    name = FFI.new("char[]", provider.encode())
    if provider:
        hints.fabric_attr.prov_name = name
    found = FFI.new("struct fi_info **")
    try:
        code = library.functions.fi_getinfo(API_VERSION, host.encode() or FFI.NULL, b"%d" % port, flags, hints, found)
    finally:
        hints.fabric_attr.prov_name = FFI.NULL  # it is ours to free
        library.functions.fi_freeinfo(hints)
    if code == -_NO_DATA:
        raise OSError(errno.EADDRNOTAVAIL, "no provider of libfabric reaches that address")
    library.check(code, "libfabric finds no endpoint")
    return found[0]


def report_providers(library: Library) -> tuple[ProviderReport, ...]:
    """Every provider that libfabric has on this machine, in its order.

    Raises:
        OSError: it does not tell.
    """
    hints = library.functions.fi_dupinfo(FFI.NULL)
    hints.mode = (1 << 64) - 1
    hints.domain_attr.mr_mode = 0xFFC
    found = FFI.new("struct fi_info **")
    code = library.functions.fi_getinfo(API_VERSION, FFI.NULL, FFI.NULL, 0, hints, found)
    library.functions.fi_freeinfo(hints)
    if code == -_NO_DATA:
        return ()
    library.check(code, "libfabric does not tell its providers")
    kinds: dict[str, set[int]] = {}
    versions: dict[str, int] = {}
    for info in _each(found[0]):
        name = _text(info.fabric_attr.prov_name)
        kinds.setdefault(name, set()).add(info.ep_attr.type)
        versions[name] = info.fabric_attr.prov_version
    library.functions.fi_freeinfo(found[0])
    return tuple(
        ProviderReport(
            name,
            f"{versions[name] >> 16}.{versions[name] & 0xFFFF}",
            tuple(_ENDPOINTS[kind] for kind in sorted(found_kinds) if kind in _ENDPOINTS),
            name.partition(";")[0] in HARDWARE + _OTHER_HARDWARE,
            EP_MSG in found_kinds and ";" not in name,
        )
        for name, found_kinds in kinds.items()
    )


def probe() -> dict[str, str]:
    """The library's version and its providers; see `Scheme.probe`. May take long.

    Raises:
        ConfigError: there is no library.
        OSError: it does not tell.
    """
    library = load_library()
    told = {"libfabric": library.version}
    for one in report_providers(library):
        how = "hardware" if one.is_hardware else "software"
        use = "" if one.is_usable else ", not for rdma://"
        endpoints = " and ".join(one.endpoints) or "no known"
        told[f"provider {one.name}"] = f"{one.version}, {how}, {endpoints} endpoints{use}"
    return told


def _each(info: Any) -> Any:
    while info != FFI.NULL:
        yield info
        info = info.next


def _text(pointer: Any) -> str:
    return "" if pointer == FFI.NULL else FFI.string(pointer).decode(errors="replace")
