"""Plain data as bytes and back: all that crosses the wall between strangers' code and the checkers.

A frame is eight bytes for the length of what follows; then a JSON text, a line feed, and the bytes
of its arrays, one after the other. Reading a frame runs no code: it makes numbers, text, bytes,
lists, tuples, dictionaries, arrays, and names of whatever else was there. A shape is believed only
if its bytes have come, too.
"""

import builtins
import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

LENGTH = 8  # bytes that say how long a frame is
KINDS = "biufcSU"  # arrays of truth values, whole, real and complex numbers, bytes, text


class Unreadable:
    """Stands for something that is no plain data; the name of its class is that of the original."""


class UnreadableIterator(Unreadable, Iterator):
    """Stands for a generator, a map and the like."""

    def __next__(self) -> Any:
        """End at once: what it would have given was left behind."""
        raise StopIteration


def pack(value: Any) -> bytes:
    """Write plain data as bytes.

    Parameters
    ----------
    value : object
        None, truth values, numbers, text, bytes, arrays (NumPy's or torch's), exceptions, and
        lists, tuples and dictionaries of these. Of anything else only the type's name is written.

    Returns
    -------
    bytes
    """
    arrays: list[bytes] = []
    structure = json.dumps(_take_apart(value, arrays))
    return b"\n".join([structure.encode(), b"".join(arrays)])


def unpack(data: bytes) -> Any:
    """Read what `pack` wrote, whoever wrote it.

    Parameters
    ----------
    data : bytes
        A frame without its length.

    Returns
    -------
    object
        Plain data; an exception that was sent is returned, not raised.

    Raises
    ------
    ValueError
        If the bytes are not what `pack` writes.
    """
    structure, _, rest = data.partition(b"\n")
    arrays = memoryview(rest)
    try:
        value, arrays = _put_together(json.loads(structure), arrays)
    except (AttributeError, LookupError, TypeError, RecursionError, OverflowError) as error:
        raise ValueError(f"this is not what pack() writes: {error!r}") from error
    if len(arrays):
        raise ValueError(f"{len(arrays)} bytes follow the last array; send what pack() gives")
    return value


def put_back(before: tuple, after: tuple) -> None:
    """Do to arguments on this side what a function did to its copies on the other side.

    Parameters
    ----------
    before : tuple
        Plain data; its arrays, lists and dictionaries are changed where they stand.
    after : tuple
        The same data as they came back.
    """
    for one, other in zip(before, after, strict=False):
        if type(one) is not type(other):
            continue
        if isinstance(one, list):
            one[:] = other
        elif isinstance(one, dict):
            one.clear()
            one.update(other)
        elif isinstance(one, tuple):
            put_back(one, other)
        elif isinstance(one, np.ndarray) and one.shape == other.shape:
            one[...] = other


def _take_apart(value: Any, arrays: list[bytes]) -> Any:
    """Give the value as JSON; the bytes of its arrays go to the end of `arrays`."""
    if isinstance(value, np.generic) and value.dtype.kind in KINDS:
        return {"scalar": _take_apart(np.asarray(value), arrays)}
    if value is None or type(value) is bool:
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, complex):
        return {"complex": [value.real, value.imag]}
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, list):
        return [_take_apart(item, arrays) for item in list.__iter__(value)]
    if isinstance(value, tuple):
        return {"tuple": [_take_apart(item, arrays) for item in tuple.__iter__(value)]}
    if isinstance(value, dict):
        pairs = [[_take_apart(k, arrays), _take_apart(v, arrays)] for k, v in dict.items(value)]
        return {"dict": pairs}
    if isinstance(value, bytes):
        arrays.append(bytes(value))
        return {"bytes": len(value)}
    if isinstance(value, BaseException):
        return {"exception": [type(value).__name__, str(value)]}
    array = _as_array(value)
    if array is not None:
        arrays.append(array.tobytes())
        return {"array": [array.dtype.str, list(array.shape)]}
    if isinstance(value, np.ndarray) and value.ndim:
        return [_take_apart(item, arrays) for item in value.tolist()]
    return {"unreadable": [type(value).__name__, isinstance(value, Iterator)]}


def _as_array(value: Any) -> np.ndarray | None:
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()  # a torch tensor that remembers where it came from
    if isinstance(value, np.ndarray) and value.dtype.kind in KINDS:
        return np.asarray(value)
    return None


def _put_together(node: Any, arrays: memoryview) -> tuple[Any, memoryview]:
    """Give the value, and the bytes that its arrays left over."""
    if not isinstance(node, list | dict):
        return node, arrays
    if isinstance(node, list):
        return _all_together(node, arrays)
    ((kind, content),) = node.items()
    if kind == "tuple":
        items, arrays = _all_together(content, arrays)
        return tuple(items), arrays
    if kind == "dict":
        pairs, arrays = _all_together(content, arrays)
        return dict(pairs), arrays
    if kind == "scalar":
        array, arrays = _put_together(content, arrays)
        return array[()], arrays
    if kind == "complex":
        return complex(*content), arrays
    if kind == "bytes":
        return _cut(arrays, content)
    if kind == "array":
        return _array(*content, arrays)
    if kind == "exception":
        return _exception(*content), arrays
    if kind == "unreadable":
        name, loops = content
        return type(str(name), (UnreadableIterator if loops else Unreadable,), {})(), arrays
    raise ValueError(f"there is no kind of data {kind!r}")


def _all_together(nodes: list, arrays: memoryview) -> tuple[list, memoryview]:
    values = []
    for node in nodes:
        value, arrays = _put_together(node, arrays)
        values.append(value)
    return values, arrays


def _cut(arrays: memoryview, length: int) -> tuple[bytes, memoryview]:
    if not 0 <= length <= len(arrays):
        raise ValueError(f"{length} bytes were announced, {len(arrays)} came")
    return bytes(arrays[:length]), arrays[length:]


def _array(name: str, shape: list[int], arrays: memoryview) -> tuple[np.ndarray, memoryview]:
    dtype = np.dtype(name)
    if dtype.kind not in KINDS or dtype.str != name or min(shape, default=0) < 0:
        raise ValueError(f"there are no arrays of {name!r} with the shape {shape}")
    data, arrays = _cut(arrays, math.prod(shape) * dtype.itemsize)
    return np.ndarray(shape, dtype, bytearray(data)), arrays


def _exception(name: str, message: str) -> Exception:
    """Make an exception: Python's own, NumPy's, or a new one that equals no other."""
    known = getattr(builtins, name, None) or getattr(np.linalg, name, None)
    if isinstance(known, type) and issubclass(known, Exception):
        try:
            return known(message)
        except TypeError:  # UnicodeDecodeError asks for five arguments
            pass
    return type(name, (Exception,), {})(message)
