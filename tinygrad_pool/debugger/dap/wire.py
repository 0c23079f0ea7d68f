"""The messages of the Debug Adapter Protocol: JSON after a header with its length."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from threading import Lock
from typing import Any, BinaryIO, NamedTuple

LONGEST = 1 << 26
"""The longest body to read, in bytes."""


class Request(NamedTuple):
    """A client's request; `damage` says what is wrong with one that cannot be read."""

    command: str = ""
    arguments: Mapping[str, Any] = {}  # a NamedTuple's default
    seq: int = 0
    damage: str = ""


class Wire:
    """Two streams of bytes: requests come in, and answers, events and output go out."""

    def __init__(self, reader: BinaryIO, writer: BinaryIO) -> None:
        self.reader, self.writer = reader, writer
        self._sent, self._lock = 0, Lock()

    def requests(self) -> Iterator[Request]:
        """Yield requests until the client closes the connection, also damaged ones."""
        with suppress(OSError, ValueError):  # the connection is broken or closed
            while (header := self._header()) is not None:
                if header and b" HTTP/" in header[0]:  # a web page must not run code here
                    yield Request(damage="a browser's request; the connection is closed")
                    return
                length = _length_in(header)
                if length is None:
                    yield Request(damage=f"a message without a valid length: {header!r:.80}")
                    continue
                body = self.reader.read(length)
                if len(body) < length:
                    return
                yield request_in(body)

    def _header(self) -> list[bytes] | None:
        """Read lines up to an empty one; return None at the end of the stream."""
        lines: list[bytes] = []
        while line := self.reader.readline(LONGEST):
            if not line.strip():
                return lines
            lines.append(line.strip())
        return None

    def answer(self, request: Request, body: Mapping[str, Any]) -> None:
        """Send the answer to a request."""
        self._send(type="response", **_to(request), success=True, body=body)

    def refuse(self, request: Request, message: str) -> None:
        """Send the reason why a request failed, to be shown to the user."""
        error = {"id": 1, "format": message.replace("{", "(").replace("}", ")"), "showUser": True}
        details = {"message": message, "body": {"error": error}}
        self._send(type="response", **_to(request), success=False, **details)

    def tell(self, event: str, **body: Any) -> None:
        """Send an event."""
        self._send(type="event", event=event, body=body)

    def output(self, text: str, category: str = "console") -> None:
        """Send text for the debug console, unless it is empty."""
        if text:
            self.tell("output", category=category, output=text)

    def _send(self, **message: Any) -> None:
        with self._lock, suppress(OSError, ValueError):  # the client has closed the connection
            self._sent += 1
            body = json.dumps({"seq": self._sent, **message}).encode()
            self.writer.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
            self.writer.flush()


def request_in(body: bytes) -> Request:
    """Read a request from its JSON.

    >>> request_in(b'{"type": "request", "command": "threads", "seq": 3}').command
    'threads'
    >>> request_in(b"[1, 2]").damage
    'a message that is not a request: [1, 2]'
    """
    try:
        message = json.loads(body)
    except (ValueError, RecursionError) as error:
        return Request(damage=f"a message that is not JSON: {error}")
    if not isinstance(message, dict) or not isinstance(message.get("command"), str):
        return Request(damage=f"a message that is not a request: {message!r:.80}")
    arguments, seq = message.get("arguments") or {}, message.get("seq")
    if not isinstance(arguments, dict) or type(seq) is not int:
        return Request(damage=f"a request with an invalid seq or arguments: {message!r:.80}")
    return Request(message["command"], arguments, seq)


def _length_in(header: list[bytes]) -> int | None:
    """Read the length of a body in its header; return None if it is missing or too large."""
    for line in header:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            digits = value.strip()
            return int(digits) if digits.isdigit() and int(digits[:9]) <= LONGEST else None
    return None


def _to(request: Request) -> dict[str, Any]:
    return {"request_seq": request.seq, "command": request.command}
