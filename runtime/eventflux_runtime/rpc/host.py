"""Hosts: what may stand for one, how it is written for a resolver, and which name its certificate is to carry.

A host is an IP address, with a zone where its scope is a link (``fe80::1%eth0``, RFC 4007), or a name of labels
(RFC 1123; underscores too, because container networks use them). A name in other letters is written as IDNA 2008 has
it, so one name is one text from here on.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from eventflux_runtime.rpc.errors import ConfigError

__all__ = ["certificate_name", "is_address", "is_any", "parse_host"]

_LONGEST_NAME: Final = 253
"""Characters of a name without a dot at its end (RFC 1035, 2.3.4: 255 bytes with the length bytes)."""
_LONGEST_LABEL: Final = 63
_LABEL: Final = re.compile(r"[A-Za-z0-9_-]+")
_DOT: Final = re.compile("[.\u3002\uff0e\uff61]")
"""A dot, and what other scripts write for one (RFC 3490, 3.1)."""
_KEPT: Final = "\u00df\u03c2"
"""The sharp s and the final sigma: letters of their own, which were once written as others."""
_KEPT_LETTER: Final = re.compile(f"([{_KEPT}])")
_ZONE: Final = re.compile(r"[^\s/?#,\[\]%]+")
"""An interface's name, or its number."""
_SHOWN: Final = 40
"""Characters of a host that is too long which its error shows."""


def parse_host(text: str) -> str:
    """A host as resolvers take it: an address as it is, a name in ASCII. A dot at the end of a name stays.

    Raises:
        ConfigError: it is neither; the message says why.
    """
    if is_address(text):
        _check_zone(text)
        return text
    if not text:
        raise ConfigError("a host is an IP address or a name, and this one is empty")
    if ":" in text:
        raise ConfigError(f"{_shown(text)} is not an IPv6 address")
    name = text if text.isascii() else _in_ascii(text)
    labels = name.removesuffix(".").split(".")
    for label in labels:
        _check_label(text, label)
    if (size := len(name.removesuffix("."))) > _LONGEST_NAME:
        raise ConfigError(f"{_shown(text)} is not a host name: it has {size} characters, the limit is {_LONGEST_NAME}")
    return name


def is_address(host: str) -> bool:
    """Whether it is an IP address rather than a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    _, has_zone, zone = host.partition("%")
    return not has_zone or _ZONE.fullmatch(zone) is not None


def is_any(host: str) -> bool:
    """Whether it stands for every address of the machine, of both families."""
    return host == "*" or (is_address(host) and int(ipaddress.ip_address(host)) == 0 and ":" in host)


def certificate_name(host: str) -> str:
    """What a certificate calls a host: no dot at the end (RFC 5280 has absolute names without), no zone."""
    return host.partition("%")[0].removesuffix(".")


def _check_zone(address: str) -> None:
    parsed = ipaddress.ip_address(address)
    if parsed.version == 6 and parsed.is_link_local and parsed.scope_id is None:
        raise ConfigError(
            f"{address!r} is an address on a link, and does not say on which: add the interface, as in [{address}%eth0]"
        )


def _check_label(text: str, label: str) -> None:
    if not label:
        raise ConfigError(f"{_shown(text)} is not a host name: there is nothing beside one of its dots")
    if not _LABEL.fullmatch(label):
        wrong = next(character for character in label if not _LABEL.fullmatch(character))
        raise ConfigError(
            f"{_shown(text)} is not a host name: {wrong!r} cannot stand in one; leave out user, path and query"
        )
    if len(label) > _LONGEST_LABEL:
        raise ConfigError(
            f"{_shown(text)} is not a host name: a part between dots has {len(label)} characters, the limit is "
            f"{_LONGEST_LABEL}"
        )


def _in_ascii(text: str) -> str:
    try:
        return ".".join(_label_in_ascii(label) for label in _DOT.split(text))
    except UnicodeError as error:
        reason = str(error).encode("ascii", "backslashreplace").decode("ascii")
        raise ConfigError(
            f"{_shown(text)} is not a host name that can be looked up: {reason}; "
            "if DNS has it, write it as there, xn--..."
        ) from None


def _label_in_ascii(label: str) -> str:
    """A part of a name, as IDNA 2008 has it.

    The standard library knows IDNA 2003. The two differ where the older one takes a letter for another, and in what
    Unicode has got since; so those letters are kept from it, and what it does not know is refused, because
    a guess could lead to somebody else.
    """
    if label.isascii():
        return label
    if label.startswith("xn--"):
        raise UnicodeError("xn-- begins what is in ASCII already")
    prepared = "".join(part if part in _KEPT else _prepared(part) for part in _KEPT_LETTER.split(label))
    return prepared if prepared.isascii() else f"xn--{prepared.encode('punycode').decode('ascii')}"


def _prepared(part: str) -> str:
    import stringprep  # noqa: PLC0415 - few hosts need these tables, and they take longer to load than all else here
    import unicodedata  # noqa: PLC0415 - see above
    from encodings import idna  # noqa: PLC0415 - see above

    prepared = idna.nameprep(part)
    is_stable = unicodedata.normalize("NFKC", part) == unicodedata.ucd_3_2_0.normalize("NFKC", part)
    for character in part + prepared:
        is_letter = character == "-" or unicodedata.category(character)[0] in "LMN"
        if not is_letter or not is_stable or stringprep.in_table_a1(character):
            raise UnicodeError(f"U+{ord(character):04X} cannot stand in one")
    return prepared


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")
