"""HPACK's static table (RFC 7541, appendix A)."""

from __future__ import annotations

from typing import Final

__all__ = ["STATIC_ENTRIES", "STATIC_NAMES", "STATIC_PAIRS"]

STATIC_ENTRIES: Final[tuple[tuple[bytes, bytes], ...]] = (
    (b":authority", b""),
    (b":method", b"GET"),
    (b":method", b"POST"),
    (b":path", b"/"),
    (b":path", b"/index.html"),
    (b":scheme", b"http"),
    (b":scheme", b"https"),
    (b":status", b"200"),
    (b":status", b"204"),
    (b":status", b"206"),
    (b":status", b"304"),
    (b":status", b"400"),
    (b":status", b"404"),
    (b":status", b"500"),
    (b"accept-charset", b""),
    (b"accept-encoding", b"gzip, deflate"),
    (b"accept-language", b""),
    (b"accept-ranges", b""),
    (b"accept", b""),
    (b"access-control-allow-origin", b""),
    (b"age", b""),
    (b"allow", b""),
    (b"authorization", b""),
    (b"cache-control", b""),
    (b"content-disposition", b""),
    (b"content-encoding", b""),
    (b"content-language", b""),
    (b"content-length", b""),
    (b"content-location", b""),
    (b"content-range", b""),
    (b"content-type", b""),
    (b"cookie", b""),
    (b"date", b""),
    (b"etag", b""),
    (b"expect", b""),
    (b"expires", b""),
    (b"from", b""),
    (b"host", b""),
    (b"if-match", b""),
    (b"if-modified-since", b""),
    (b"if-none-match", b""),
    (b"if-range", b""),
    (b"if-unmodified-since", b""),
    (b"last-modified", b""),
    (b"link", b""),
    (b"location", b""),
    (b"max-forwards", b""),
    (b"proxy-authenticate", b""),
    (b"proxy-authorization", b""),
    (b"range", b""),
    (b"referer", b""),
    (b"refresh", b""),
    (b"retry-after", b""),
    (b"server", b""),
    (b"set-cookie", b""),
    (b"strict-transport-security", b""),
    (b"transfer-encoding", b""),
    (b"user-agent", b""),
    (b"vary", b""),
    (b"via", b""),
    (b"www-authenticate", b""),
)
"""Names and values by index, of which the first is 1."""
FIRST_DYNAMIC: Final = 62
"""The index of the newest entry of the dynamic table (RFC 7541, 2.3.3)."""
ENTRY_BYTES: Final = 32
"""What an entry counts beside its name and its value (RFC 7541, 4.1; RFC 9113, 6.5.2)."""
DEFAULT_TABLE_BYTES: Final = 4096
"""What a dynamic table may hold until something else is agreed on (SETTINGS_HEADER_TABLE_SIZE, RFC 9113, 6.5.2)."""
STATIC_PAIRS: Final[dict[tuple[bytes, bytes], int]] = {pair: i + 1 for i, pair in enumerate(STATIC_ENTRIES)}
"""The index of each entry; one without a value stands for the name and an empty value."""
STATIC_NAMES: Final[dict[bytes, int]] = {
    pair[0]: len(STATIC_ENTRIES) - i for i, pair in enumerate(reversed(STATIC_ENTRIES))
}
"""The lowest index of each name."""
