"""Answers of HTTP/1: whole, and the last of their connections."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus

__all__ = ["Answer", "encode_answer", "told"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request gets."""

    status: int
    body: bytes
    content_type: str
    fields: tuple[tuple[str, str], ...] = ()


def told(status: int, text: str, fields: Iterable[tuple[str, str]] = ()) -> Answer:
    """An answer of one line."""
    always = (("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"))
    return Answer(status, f"{text}\n".encode(), "text/plain; charset=utf-8", (*always, *fields))


def encode_answer(answer: Answer, *, is_head: bool = False) -> bytes:
    """The bytes of an answer; `is_head`: the request was for the head alone."""
    try:
        phrase = HTTPStatus(answer.status).phrase
    except ValueError:
        phrase = "Unknown"
    lines = [
        f"HTTP/1.1 {answer.status} {phrase}",
        f"Date: {formatdate(usegmt=True)}",
        "Connection: close",
        f"Content-Type: {answer.content_type}",
        f"Content-Length: {len(answer.body)}",
        *(f"{name}: {value}" for name, value in answer.fields),
    ]
    head = "\r\n".join((*lines, "", "")).encode("latin-1")
    return head if is_head else head + answer.body
