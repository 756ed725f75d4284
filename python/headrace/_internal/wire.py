"""Messages between a run and its worker processes: JSON with a length before it, bytes as hexadecimal."""

from __future__ import annotations

import json
import socket
import struct
from typing import Any

__all__ = ["receive", "send"]

_LENGTH = struct.Struct("!Q")


def send(channel: socket.socket, message: dict[str, Any]) -> None:
    """Send one message; its values may be bytes."""
    body = json.dumps(message, default=_bytes).encode()
    channel.sendall(_LENGTH.pack(len(body)) + body)


def receive(channel: socket.socket) -> dict[str, Any]:
    """Receive one message. EOFError where the other side has gone."""
    size = _LENGTH.unpack(_exactly(channel, _LENGTH.size))[0]
    message: dict[str, Any] = json.loads(_exactly(channel, size), object_hook=_restore)
    return message


def _bytes(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"$hex": value.hex()}
    raise TypeError(f"{type(value).__name__} can't be sent to a worker process")


def _restore(entry: dict[str, Any]) -> Any:
    return bytes.fromhex(entry["$hex"]) if entry.keys() == {"$hex"} else entry


def _exactly(channel: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        try:
            part = channel.recv(min(size - len(parts), 1 << 20))
        except ConnectionResetError:
            part = b""
        if not part:
            raise EOFError("the other process has gone")
        parts += part
    return bytes(parts)
