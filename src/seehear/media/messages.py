"""What a decoding process sends back: JSON and the bytes of tensors, never code."""

import json
import math
import socket
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from seehear.media.kinds import Audio, Frame, Image, Probe, Video

_KINDS = {kind.__name__: kind for kind in (Audio, Frame, Image, Probe, Video)}
_DTYPES = {"uint8": np.uint8, "float32": np.float32, "float64": np.float64}
_LENGTH_BYTES = 8
_MAX_HEADER = 10_000_000  # bytes


@dataclass(frozen=True, kw_only=True)
class Message:
    """The outcome of a call."""

    result: Any = None
    error: tuple[str, str] | None = None  # type and text
    warnings: tuple[str, ...] = ()  # that the call logged


def send_message(to: socket.socket, message: Message) -> None:
    """Send a message; tensors of the result follow it as bytes."""
    arrays: list[np.ndarray] = []
    result = _encoded(message.result, arrays)
    header = {"result": result, "error": message.error, "warnings": message.warnings}
    send_bytes(to, json.dumps(header).encode())
    for array in arrays:
        send_bytes(to, np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)


def read_message(source: socket.socket, max_bytes: int) -> Message | None:
    """Read a message; None if the sender ended before it was complete.

    Args:
        source: The socket.
        max_bytes: More are not read, whatever the sender announces.
    """
    header = _read_bytes(source, min(max_bytes, _MAX_HEADER))
    if header is None:
        return None
    try:
        content = json.loads(header.tobytes())
        result = content["result"]
        if isinstance(result, dict) and "kind" in result:
            result = _decoded(result, source, max_bytes)
        error = None if content["error"] is None else (content["error"][0], content["error"][1])
        return Message(result=result, error=error, warnings=tuple(content["warnings"]))
    except (ValueError, KeyError, TypeError, IndexError):  # a broken decoder may write anything
        return None


def send_bytes(to: socket.socket, content: bytes | memoryview) -> None:
    """Send bytes after their number."""
    to.sendall(len(content).to_bytes(_LENGTH_BYTES, "big"))
    to.sendall(content)


def receive_bytes(source: socket.socket, max_bytes: int) -> bytes | None:
    """The bytes that `send_bytes` sent; None if they are incomplete or too many."""
    found = _read_bytes(source, max_bytes)
    return None if found is None else found.tobytes()


def _encoded(result: Any, arrays: list[np.ndarray]) -> Any:
    """Media as JSON data; their tensors are appended to `arrays`."""
    if not is_dataclass(result):
        return result
    values: dict[str, Any] = {}
    for field in fields(result):
        value = getattr(result, field.name)
        if isinstance(value, torch.Tensor):
            arrays.append(value.numpy())
            value = {"dtype": str(arrays[-1].dtype), "shape": list(value.shape)}
        values[field.name] = str(value) if isinstance(value, Path) else value
    return {"kind": type(result).__name__, "values": values}


def _decoded(result: dict[str, Any], source: socket.socket, max_bytes: int) -> Any:
    """The media that `_encoded` described.

    Raises:
        ValueError: Their bytes are incomplete.
    """
    values = dict(result["values"])
    for name, value in values.items():
        if isinstance(value, dict):
            dtype = np.dtype(_DTYPES[value["dtype"]])
            content = _read_bytes(source, max_bytes)
            if content is None or len(content) != math.prod(value["shape"]) * dtype.itemsize:
                raise ValueError(f"expected all bytes of {name}, got fewer")
            values[name] = torch.from_numpy(content.view(dtype).reshape(value["shape"]))
        elif name == "path" and value is not None:
            values[name] = Path(value)
    return _KINDS[result["kind"]](**values)


def _read_bytes(source: socket.socket, max_bytes: int) -> np.ndarray | None:
    """The bytes that `send_bytes` sent, as a writable array; None if incomplete or too many."""
    length = np.empty(_LENGTH_BYTES, np.uint8)
    if not _fill(source, length):
        return None
    number = int.from_bytes(length.tobytes(), "big")
    if number > max_bytes:
        return None
    content = np.empty(number, np.uint8)  # pages use memory once written
    return content if _fill(source, content) else None


def _fill(source: socket.socket, target: np.ndarray) -> bool:
    """Fill an array from a socket; False if the sender ended before."""
    view, done = target.data, 0
    while done < len(view):
        try:
            received = source.recv_into(view[done:])
        except ConnectionError:
            return False
        if not received:
            return False
        done += received
    return True
