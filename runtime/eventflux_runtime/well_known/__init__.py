"""Protobuf's well-known types, one class of each for all generated packages and every wire.

Fields of generated messages have these classes, but for those that are plain values of Python: a field of a wrapper,
such as `StringValue`, is its value or None; `Struct`, `ListValue` and `Value` are a dict, a list and a value of JSON.
The classes of those are for methods that take or give one by itself, and for `Any`.
"""

from __future__ import annotations

from eventflux_runtime.loading.lazy import lazy_names

__all__, __getattr__, __dir__ = lazy_names(__name__)
