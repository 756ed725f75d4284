"""Bulk values as binary blobs: bytes, NumPy arrays, tables. Also how arrays look inside JSON.

A blob is ``HRB`` and the byte 1 (the version of this frame), one byte with the length of the codec's name, the name in
ASCII, one byte with the codec's version, then the payload:

* ``bytes`` 1: the bytes themselves; ``bytearray`` 1: likewise.
* ``array`` 1: one byte with the length of the dtype's text, that text (``<f4``), one byte with the number of
  dimensions, each as 8 bytes (little endian), then the elements in C order.
* ``npy`` 1: NumPy's own file format, for structured dtypes.
* ``arrow``, ``arrow-batch``, ``pandas`` and ``series`` 1: one Arrow IPC stream.
* ``codec:NAME`` 1: what the codec that a stage was given made (see ``hr.Codec``).
"""

from __future__ import annotations

import base64
import io
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from headrace.errors import CheckpointCorruptionError, ConfigurationError

if TYPE_CHECKING:
    import numpy as np

__all__ = ["INLINE_READERS", "decode", "encode", "encode_inline", "frame", "unframe"]

MAGIC = b"HRB\x01"
VERSION = 1
MAX_TYPE_TEXT = 255


def encode(value: Any) -> bytes | None:
    """Return the blob for a bulk value; None for any other."""
    kind = type(value)
    if kind is bytes or kind is bytearray:
        return frame(kind.__name__, value)
    package = kind.__module__.partition(".")[0]
    if package == "numpy":
        return _encode_array(value) if _is_array(value) and value.dtype.kind not in "OT" else None
    write = _TABLE_WRITERS.get((package, kind.__name__))
    return None if write is None else write(value)


def unframe(data: bytes) -> tuple[str, memoryview]:
    """The name of a blob's codec and its payload."""
    if data[:3] != MAGIC[:3] or len(data) < 6:
        raise CheckpointCorruptionError("a recorded blob does not start with HRB: it is not one of ours")
    length = data[4]
    name = data[5 : 5 + length].decode("ascii", "replace")
    if data[3] != MAGIC[3] or data[5 + length : 6 + length] != bytes([VERSION]):
        raise CheckpointCorruptionError(f"a recorded blob of the unknown kind {name!r}: a newer headrace wrote it")
    return name, memoryview(data)[6 + length :]


def decode(data: bytes) -> Any:
    """Return the value that a blob holds."""
    name, payload = unframe(bytes(data))
    reader = _READERS.get(name)
    if reader is None:
        raise CheckpointCorruptionError(f"a recorded blob of the unknown kind {name!r}: a newer headrace wrote it")
    try:
        return reader(payload)
    except ImportError as error:
        raise ConfigurationError(
            f"a recorded {name} needs the package {error.name}: pip install {error.name}"
        ) from None
    except (ValueError, TypeError, IndexError, struct.error, OSError) as error:
        raise CheckpointCorruptionError(f"a recorded {name} can't be read: {error}") from None


def frame(name: str, *parts: bytes | bytearray | memoryview) -> bytes:
    """A blob of the codec ``name``."""
    return b"".join((MAGIC, bytes([len(name)]), name.encode(), bytes([VERSION]), *parts))


# ---- NumPy --------------------------------------------------------------------------------------------------------


def _is_array(value: Any) -> bool:
    return type(value).__name__ == "ndarray" and hasattr(value, "dtype")


def _is_simple(dtype: np.dtype[Any]) -> bool:
    return dtype.names is None and dtype.subdtype is None and not dtype.metadata and len(dtype.str) <= MAX_TYPE_TEXT


def _encode_array(value: np.ndarray[Any, Any]) -> bytes:
    if not _is_simple(value.dtype):
        return frame("npy", _npy(value))
    kind = value.dtype.str.encode()
    head = struct.pack(f"<B{len(kind)}sB{value.ndim}q", len(kind), kind, value.ndim, *value.shape)
    return frame("array", head, value.tobytes())


def _npy(value: np.ndarray[Any, Any]) -> bytes:
    import numpy as np

    if value.dtype.hasobject:
        raise ConfigurationError(f"an array of dtype {value.dtype} holds Python objects: give its fields plain types")
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, value, version=(3, 0), allow_pickle=False)
    return buffer.getvalue()


def _decode_array(payload: memoryview) -> Any:
    import numpy as np

    length = payload[0]
    dtype = np.dtype(bytes(payload[1 : 1 + length]).decode())
    ndim = payload[1 + length]
    shape = struct.unpack_from(f"<{ndim}q", payload, 2 + length)
    content = payload[2 + length + 8 * ndim :]
    if dtype.hasobject:
        raise ValueError("its dtype holds Python objects")
    if dtype.itemsize == 0 or content.nbytes == 0:
        return np.zeros(shape, dtype)
    return np.frombuffer(content, dtype).reshape(shape).copy()


def _decode_npy(payload: memoryview) -> Any:
    import numpy as np

    return np.lib.format.read_array(io.BytesIO(payload), allow_pickle=False)


def encode_inline(value: Any) -> tuple[str, list[Any], Any] | None:
    """The tag, the parts, and elements that are still to be encoded, of an array, a scalar or a table inside JSON."""
    kind = type(value)
    if kind.__module__.partition(".")[0] != "numpy":
        blob = encode(value)
        return None if blob is None else ("$blob", [base64.b64encode(blob).decode()], None)
    if _is_array(value):
        if value.dtype.kind in "OT":
            return "$objects", [value.dtype.kind, list(value.shape)], value.ravel().tolist()
        if not _is_simple(value.dtype):
            return "$blob", [base64.b64encode(encode(value) or b"").decode()], None
        return "$array", [value.dtype.str, list(value.shape), base64.b64encode(value.tobytes()).decode()], None
    if hasattr(value, "dtype") and hasattr(value, "tobytes") and not value.shape and _is_simple(value.dtype):
        return _encode_scalar(value)
    return None


def _encode_scalar(value: Any) -> tuple[str, list[Any], Any] | None:
    import numpy as np

    if type(value) is not value.dtype.type:
        return None
    dtype, content = value.dtype.str, value.item()
    if value.dtype.kind in "biu" or (value.dtype.kind == "f" and value.dtype.itemsize <= 8 and np.isfinite(value)):
        return "$number", [dtype, content], None
    return "$scalar", [dtype, base64.b64encode(value.tobytes()).decode()], None


def _read_scalar(content: list[Any]) -> Any:
    import numpy as np

    dtype = np.dtype(content[0])
    raw = base64.b64decode(content[1], validate=True)
    return np.frombuffer(raw, dtype)[0] if dtype.itemsize else dtype.type()


def _read_number(content: list[Any]) -> Any:
    import numpy as np

    return np.dtype(content[0]).type(content[1])


def _read_inline_array(content: list[Any]) -> Any:
    import numpy as np

    dtype, shape = np.dtype(content[0]), content[1]
    raw = base64.b64decode(content[2], validate=True)
    return np.frombuffer(raw, dtype).reshape(shape).copy() if raw else np.zeros(shape, dtype)


def _read_objects(content: list[Any]) -> Any:
    import numpy as np

    kind, shape, elements = content
    array = np.empty(len(elements), dtype=object if kind == "O" else np.dtypes.StringDType())
    for number, element in enumerate(elements):
        array[number] = element
    return array.reshape(shape)


def _read_blob(content: list[Any]) -> Any:
    return decode(base64.b64decode(content[0], validate=True))


INLINE_READERS: dict[str, Callable[[Any], Any]] = {
    "$array": _read_inline_array,
    "$objects": _read_objects,
    "$scalar": _read_scalar,
    "$number": _read_number,
    "$blob": _read_blob,
}


# ---- tables -------------------------------------------------------------------------------------------------------


def _arrow_stream(table: Any) -> bytes:
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _read_arrow(payload: memoryview) -> Any:
    import pyarrow as pa

    return pa.ipc.open_stream(pa.py_buffer(payload)).read_all()


def _write_pandas(table: Any) -> bytes:
    try:
        import pyarrow as pa
    except ImportError:
        raise ConfigurationError(
            "a pandas table is stored as Arrow, which needs pyarrow: pip install pyarrow"
        ) from None
    name = "pandas" if hasattr(table, "columns") else "series"
    arrow = pa.Table.from_pandas(table if name == "pandas" else table.to_frame())
    return frame(name, b"\x01" if name == "series" and table.name is None else b"\x00", _arrow_stream(arrow))


def _read_pandas(payload: memoryview) -> Any:
    return _read_arrow(payload[1:]).to_pandas()


def _read_series(payload: memoryview) -> Any:
    series = _read_pandas(payload).iloc[:, 0]
    return series.rename(None) if payload[0] else series


_TABLE_WRITERS: dict[tuple[str, str], Callable[[Any], bytes]] = {
    ("pyarrow", "Table"): lambda table: frame("arrow", _arrow_stream(table)),
    ("pyarrow", "RecordBatch"): lambda batch: frame("arrow-batch", _arrow_stream(batch)),
    ("pandas", "DataFrame"): _write_pandas,
    ("pandas", "Series"): _write_pandas,
}

_READERS: dict[str, Callable[[memoryview], Any]] = {
    "bytes": bytes,
    "bytearray": bytearray,
    "array": _decode_array,
    "npy": _decode_npy,
    "arrow": _read_arrow,
    "arrow-batch": lambda payload: _read_arrow(payload).combine_chunks().to_batches()[0],
    "pandas": _read_pandas,
    "series": _read_series,
}
