"""Plain data as bytes and back: all that crosses the wall between strangers' code and the checkers.

A frame is eight bytes for the length of what follows; then a JSON text, a line feed, and the bytes
of its arrays, one after the other. Reading a frame runs no code: it makes numbers, text, bytes,
lists, tuples, dictionaries, arrays, and names of whatever else was there. A shape is believed only
if its bytes have come, too; what could exhaust whoever looks at it later is not read at all.
"""

import builtins
import contextlib
import functools
import json
import math
import re
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

LENGTH = 8  # bytes that say how long a frame is
KINDS = "biufcSU"  # arrays of truth values, whole, real and complex numbers, bytes, text
DTYPE = re.compile(rf"[<>|][{KINDS}]\d{{1,9}}")  # as dtype.str writes them
MOST_LEVELS = 32  # of lists in lists: comparing them takes a stack, and time for each level
MOST_KEYS = 10_000  # of a dictionary: whole numbers can be chosen so that more take hours
MOST_EMPTY = 2**20  # entries that an empty array would have if its zeros were ones


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

    Raises
    ------
    ValueError
        If lists are nested more than `MOST_LEVELS` deep.
    """
    arrays: list[bytes] = []
    structure = json.dumps(_take_apart(value, arrays, MOST_LEVELS))
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
    reader = _Reader(rest)
    try:
        value = reader.put_together(json.loads(structure), MOST_LEVELS)
    except (LookupError, TypeError, RecursionError, OverflowError) as error:
        raise ValueError(f"this is not what pack() writes: {error!r}") from error
    if len(reader.rest):
        raise ValueError(f"{len(reader.rest)} bytes follow the last array; send what pack() gives")
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
        elif isinstance(one, np.ndarray):
            if one.shape != other.shape:
                one.resize(other.shape, refcheck=False)
            one[...] = other


def _take_apart(value: Any, arrays: list[bytes], levels: int) -> Any:
    """Give the value as JSON; the bytes of its arrays go to the end of `arrays`."""
    if not levels:
        raise ValueError(f"lists are nested more than {MOST_LEVELS} deep; return simpler data")
    inside = functools.partial(_take_apart, arrays=arrays, levels=levels - 1)
    if isinstance(value, np.generic) and value.dtype.kind in KINDS:
        return {"scalar": inside(np.asarray(value))}
    if value is None or type(value) is bool:
        return value
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, complex):
        return {"complex": [value.real, value.imag]}
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, list):
        return [inside(item) for item in list.__iter__(value)]
    if isinstance(value, tuple):
        return {"tuple": [inside(item) for item in tuple.__iter__(value)]}
    if isinstance(value, dict):
        return {"dict": [[inside(key), inside(item)] for key, item in dict.items(value)]}
    if isinstance(value, bytes):
        arrays.append(bytes(value))
        return {"bytes": len(arrays[-1])}
    if isinstance(value, BaseException):
        return {"exception": [_name(value), inside(_message(value))]}
    array = _as_array(value)
    if array is not None:
        arrays.append(array.tobytes())
        return {"array": [array.dtype.str, list(array.shape)]}
    if isinstance(value, np.ndarray) and value.ndim:
        return [inside(item) for item in value.tolist()]
    return {"unreadable": [_name(value), isinstance(value, Iterator)]}


def _as_array(value: Any) -> np.ndarray | None:
    if hasattr(value, "detach"):
        with contextlib.suppress(Exception):  # NumPy has not all of torch's types of numbers
            value = value.detach().cpu().numpy()  # a tensor that remembers where it came from
    if isinstance(value, np.ndarray) and value.dtype.kind in KINDS:
        return np.asarray(value)
    return None


def _name(value: Any) -> str:
    name = type(value).__name__
    return name if _is_name(name) else "object"


def _is_name(text: Any) -> bool:
    """Whether a class can be called so, and the name be shown to anybody."""
    return isinstance(text, str) and len(text) <= 100 and text.isidentifier() and text.isprintable()


def _message(error: BaseException) -> Any:
    """Give what makes the same error again: the text of a KeyError is its key, in quotes."""
    return error.args[0] if type(error) is KeyError and len(error.args) == 1 else str(error)


class _Reader:
    """Puts values together from their JSON; of the arrays' bytes, `rest` is not read yet."""

    def __init__(self, arrays: bytes) -> None:
        self.rest = memoryview(arrays)

    def put_together(self, node: Any, levels: int) -> Any:
        if not levels:
            raise ValueError(f"this is nested more than {MOST_LEVELS} deep")
        if isinstance(node, list):
            return [self.put_together(item, levels - 1) for item in node]
        if not isinstance(node, dict):
            return node
        ((kind, content),) = node.items()
        match kind, content:
            case "tuple", list():
                return tuple(self.put_together(content, levels))
            case "dict", list():
                return self._dictionary(content, levels - 1)
            case "scalar", {"array": [dtype, []]}:
                return self._array(dtype, [])[()]
            case "complex", [float(real), float(imaginary)]:
                return complex(real, imaginary)
            case "bytes", int(length):
                return self._cut(length)
            case "array", [str(dtype), list(shape)]:
                return self._array(dtype, shape)
            case "exception", [name, message] if _is_name(name):
                return _exception(name, self.put_together(message, levels - 1))
            case "unreadable", [name, bool(loops)] if _is_name(name):
                return type(name, (UnreadableIterator if loops else Unreadable,), {})()
        raise ValueError(f"pack() writes no {str(kind)[:100]!r} like this")

    def _dictionary(self, pairs: list, levels: int) -> dict:
        if len(pairs) > MOST_KEYS:
            raise ValueError(f"a dictionary has {len(pairs):,} keys; {MOST_KEYS:,} are enough")
        return {
            self.put_together(key, levels): self.put_together(item, levels) for key, item in pairs
        }

    def _array(self, name: str, shape: list) -> np.ndarray:
        if not DTYPE.fullmatch(name) or not all(type(n) is int and n >= 0 for n in shape):
            raise ValueError(f"there are no arrays of {name[:20]!r} with such a shape")
        if 0 in shape and math.prod(filter(None, shape)) > MOST_EMPTY:
            raise ValueError(f"an empty array is too large: {shape}")
        dtype = np.dtype(name)
        data = self._cut(math.prod(shape) * dtype.itemsize)
        if dtype.kind == "U" and (
            np.frombuffer(data, f"{name[0]}u4").max(initial=0) > sys.maxunicode
        ):
            raise ValueError("this text has characters that there are not")
        return np.ndarray(shape, dtype, data).copy()  # which can be written to

    def _cut(self, length: int) -> bytes:
        if not 0 <= length <= len(self.rest):
            raise ValueError(f"{len(self.rest)} bytes came, more or fewer were announced")
        data, self.rest = bytes(self.rest[:length]), self.rest[length:]
        return data


def _exception(name: str, message: Any) -> Exception:
    """Make an exception: Python's own, NumPy's, or one of a class that only its name tells."""
    known = getattr(builtins, name, None) or getattr(np.linalg, name, None)
    if isinstance(known, type) and issubclass(known, Exception):
        with contextlib.suppress(TypeError):  # UnicodeDecodeError asks for five arguments
            return known(message)
    return _unknown(name)(message)


@functools.lru_cache(maxsize=256)
def _unknown(name: str) -> type[Exception]:
    """One class for one name: an error that comes twice is the same error."""
    return type(name, (Exception,), {})
