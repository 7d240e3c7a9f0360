"""What crosses the wall: plain data come out as they went in, and forged bytes are only refused."""

import copy
import json
import tracemalloc
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minilib.checks.task import agree
from minilib.grading.wire import MOST_LEVELS, pack, put_back, unpack

DTYPES = st.one_of(
    hnp.boolean_dtypes(),
    hnp.integer_dtypes(endianness="?"),
    hnp.unsigned_integer_dtypes(endianness="?"),
    hnp.floating_dtypes(endianness="?"),
    hnp.complex_number_dtypes(endianness="?"),
    hnp.byte_string_dtypes(endianness="?", max_len=5),
    hnp.unicode_string_dtypes(endianness="?", max_len=5),
)
ARRAYS = DTYPES.flatmap(lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, min_side=0)))
KEYS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda keys: st.tuples(keys, keys),
    max_leaves=3,
)
LEAVES = KEYS | st.floats() | st.complex_numbers() | st.binary() | ARRAYS
DATA = st.recursive(
    LEAVES,
    lambda data: (
        st.lists(data, max_size=4)
        | st.lists(data, max_size=4).map(tuple)
        | st.dictionaries(KEYS, data, max_size=4)
    ),
    max_leaves=12,
)


def same(one, other):
    """Whether two values have the same types, shapes and contents; NaN is the same as NaN."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return same(list(one.items()), list(other.items()))
    if isinstance(one, np.ndarray | np.generic):
        alike = one.dtype == other.dtype and one.shape == other.shape
        return alike and one.tobytes() == other.tobytes()
    return repr(one) == repr(other)


@given(DATA)
def test_plain_data_come_out_as_they_went_in(data):
    assert same(unpack(pack(data)), data)


@given(ARRAYS)
def test_a_single_number_of_an_array_stays_one(array):
    numbers = list(array.flat)
    assert same(unpack(pack(numbers)), numbers)


@pytest.mark.parametrize(
    "data",
    [10**4000, -(2**64), 2**63, -0.0, float("inf"), "\ud800", "\x00", "é" * 3, b"\n\n", {}, ((),)],
    ids=lambda data: repr(data)[:12],
)
def test_data_at_the_edge_of_what_json_can_say_come_out_as_they_went_in(data):
    assert same(unpack(pack(data)), data)


@pytest.mark.parametrize("order", ["C", "F"])
def test_the_order_of_an_array_in_memory_changes_nothing(order):
    array = np.asarray(np.arange(24).reshape(2, 3, 4), order=order)
    assert same(unpack(pack([array[:, ::-1], array.T])), [array[:, ::-1], array.T])


def test_arrays_that_came_over_can_be_written_to():
    array = unpack(pack(np.zeros(3)))
    array += 1
    assert array.tolist() == [1, 1, 1]


@pytest.mark.parametrize("dtype", [torch.float32, torch.int8, torch.bool, torch.complex64])
def test_a_tensor_becomes_its_array(dtype):
    tensor = torch.tensor([[1, 0], [1, 1]], dtype=dtype)
    assert same(unpack(pack(tensor)), tensor.numpy())
    assert same(unpack(pack(torch.ones(2, requires_grad=True))), np.ones(2, np.float32))


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no"),
        KeyError("name"),
        KeyError(3),
        IndexError(),
        ZeroDivisionError("division by zero"),
        np.linalg.LinAlgError("Singular matrix"),
        FileNotFoundError(2, "there is no file"),
    ],
    ids=repr,
)
def test_a_known_error_keeps_its_type_and_its_text(error):
    copied = unpack(pack(error))
    assert (type(copied), str(copied)) == (type(error), str(error))


class Stranger(Exception):
    pass


@pytest.mark.parametrize("error", [Stranger("hello"), SystemExit("hello"), StopAsyncIteration()])
def test_an_unknown_error_keeps_its_name_its_text_and_equals_itself(error):
    first, second = unpack(pack(error)), unpack(pack(error))
    assert isinstance(first, Exception)
    assert (type(first).__name__, str(first)) == (type(error).__name__, str(error))
    assert agree(first, second, rtol=0, atol=0)


def test_an_error_that_needs_more_than_a_text_keeps_its_name():
    error = UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")
    assert type(unpack(pack(error))).__name__ == "UnicodeDecodeError"
    assert str(unpack(pack(error))) == str(error)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ({1, 2}, "set"),
        (Fraction(1, 2), "Fraction"),
        (abs, "builtin_function_or_method"),
        (Stranger, "type"),
        (torch.ones(2, dtype=torch.bfloat16), "Tensor"),
        (np.datetime64("2026-01-01"), "datetime64"),
        (np.array(x for x in (1, 2)), "ndarray"),
        (type("line\nfeed", (), {})(), "object"),
        (type("A" * 101, (), {})(), "object"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_of_anything_else_only_the_name_of_its_type_comes_over(value, name):
    assert type(unpack(pack([1, value]))[1]).__name__ == name


def test_a_generator_is_still_something_to_loop_over():
    assert list(unpack(pack(x for x in (1, 2)))) == []


class Liar:
    """Misbehaves wherever it can be looked at."""

    def refuse(self, *_):
        raise RuntimeError("do not look at me")

    __eq__ = __str__ = __repr__ = __array__ = __reduce__ = __len__ = __iter__ = detach = refuse
    __hash__ = None


class LyingNumber(float):
    __float__ = __str__ = __repr__ = Liar.refuse


class LyingInteger(int):
    __int__ = __index__ = __str__ = __repr__ = Liar.refuse


class LyingText(str):
    __slots__ = ()
    __str__ = __repr__ = encode = Liar.refuse


class LyingList(list):
    __iter__ = __len__ = __repr__ = Liar.refuse


class LyingDictionary(dict):
    items = keys = __iter__ = __len__ = __repr__ = Liar.refuse


@pytest.mark.parametrize(
    ("liar", "truth"),
    [
        (LyingNumber(1.5), 1.5),
        (LyingInteger(7), 7),
        (LyingText("text"), "text"),
        (LyingList([1, 2]), [1, 2]),
        (LyingDictionary(a=1), {"a": 1}),
    ],
    ids=["float", "int", "str", "list", "dict"],
)
def test_a_subclass_is_taken_for_the_data_that_it_holds(liar, truth):
    assert same(unpack(pack([liar])), [truth])


def test_an_object_that_raises_when_it_is_looked_at_is_only_named():
    assert type(unpack(pack(Liar()))).__name__ == "Liar"


def test_data_that_contain_themselves_are_refused_before_they_are_sent():
    loop = []
    loop.append(loop)
    with pytest.raises(ValueError, match=f"more than {MOST_LEVELS} deep"):
        pack(loop)


def double(arguments):
    array, numbers, table, pair = arguments
    array *= 2
    numbers.append(numbers)
    numbers.pop()
    numbers.reverse()
    table.pop("old", None)
    table["new"] = [1]
    pair[0].clear()
    pair[1][..., :1] = 0


def reshape(arguments):
    arguments[0].resize((7, 2), refcheck=False)


def nothing(arguments):
    pass


PARTS = st.tuples(
    hnp.arrays(float, hnp.array_shapes(min_side=0), elements=st.floats(0, 1)),
    st.lists(st.integers()),
    st.dictionaries(st.sampled_from(["old", "new"]), st.integers()),
    st.lists(DATA, max_size=2),
)


@pytest.mark.parametrize("function", [double, reshape, nothing])
@given(parts=PARTS)
def test_what_a_function_does_to_its_arguments_is_done_on_this_side(function, parts):
    array, numbers, table, items = parts
    arguments = (array.copy(), numbers, table, (items, array.copy()))
    there, expected = unpack(pack(arguments)), copy.deepcopy(arguments)
    function(there)
    put_back(arguments, unpack(pack(there)))
    function(expected)
    assert same(arguments, expected)


def test_putting_back_keeps_the_objects_that_the_caller_holds():
    array, numbers, table = np.zeros(2), [1], {"a": 1}
    put_back((array, numbers, table), (np.ones(2), [2], {"b": 2}))
    assert (array.tolist(), numbers, table) == ([1, 1], [2], {"b": 2})


# What nobody's pack() writes


def read(data):
    """Read bytes that may be anything; give what they hold, or the error of the right type."""
    try:
        return unpack(data)
    except ValueError as refusal:
        return refusal


@given(st.binary())
def test_any_bytes_are_read_or_refused(data):
    read(data)


@settings(max_examples=300)
@given(DATA, st.data())
def test_a_damaged_frame_is_read_or_refused(value, data):
    frame = bytearray(pack(value))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(frame)))
        frame[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    read(bytes(frame))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda nodes: (
        st.lists(nodes, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                "tuple dict scalar complex bytes array exception unreadable other".split()
            ),
            nodes
            | st.tuples(st.sampled_from(["<f8", "|b1", "<U2", "|S0", "ValueError", "x"]), nodes),
            min_size=1,
            max_size=2,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=500)
@given(JSON, st.binary(max_size=40))
def test_a_forged_structure_is_read_or_refused_and_what_is_read_can_be_sent_on(node, rest):
    value = read(json.dumps(node).encode() + b"\n" + rest)
    assert isinstance(value, ValueError) or isinstance(pack(value), bytes)


FORGED = {
    "nothing": b"",
    "no JSON": b"{]",
    "not even text": b"\xff\xfe\xfd",
    "a shape without its bytes": b'{"array": ["<f8", [1000000, 1000000]]}\n',
    "a shape that overflows": b'{"array": ["<f8", [4294967296, 4294967296]]}\n',
    "a shape of one digit too many": b'{"array": ["<f8", [2]]}\n' + bytes(15),
    "a negative shape": b'{"array": ["<f8", [-1, -1]]}\n' + bytes(8),
    "a broken shape": b'{"array": ["<f8", [1.0]]}\n' + bytes(8),
    "a shape of text": b'{"array": ["<f8", "1"]}\n' + bytes(8),
    "a nested shape": b'{"array": ["<f8", [[1]]]}\n' + bytes(8),
    "a hundred axes": b'{"array": ["|i1", %s]}\n' % str([1] * 100).encode() + bytes(1),
    "an empty array of endless columns": b'{"array": ["<f8", [0, 1099511627776]]}\n',
    "numbers that are objects": b'{"array": ["|O", [1]]}\n' + bytes(8),
    "a dtype with fields": b'{"array": ["f8,O", [1]]}\n' + bytes(16),
    "a dtype with a shape": b'{"array": ["(9999999,99)f8", [0]]}\n',
    "a dtype that is old": b'{"array": ["a3", [1]]}\n' + bytes(3),
    "a dtype that is a list": b'{"array": [["<f8"], [1]]}\n' + bytes(8),
    "a dtype that is missing": b'{"array": [null, [1]]}\n' + bytes(8),
    "a dtype that does not exist": b'{"array": ["<f3", [1]]}\n' + bytes(3),
    "text of endless width": b'{"array": ["<U999999999", [1]]}\n' + bytes(4),
    "text of impossible letters": b'{"array": ["<U1", [1]]}\n' + b"\xff" * 4,
    "the other order of the same": b'{"array": [">U1", [1]]}\n' + b"\x7f" * 4,
    "more bytes than came": b'{"bytes": 10}\n' + bytes(9),
    "a negative number of bytes": b'{"bytes": -1}\n' + bytes(9),
    "a broken number of bytes": b'{"bytes": 1.0}\n' + bytes(1),
    "bytes that nobody announced": b"1\n" + bytes(1),
    "lists in lists": b"[" * 200_000 + b"]" * 200_000 + b"\n",
    "lists in a few lists": b"[" * 900 + b"]" * 900 + b"\n",
    "tuples in tuples": b'{"tuple": [' * 300 + b"]}" * 300 + b"\n",
    "a number of 5000 digits": b"1" * 5000 + b"\n",
    "a key that is a list": b'{"dict": [[[], 1]]}\n',
    "a key without a value": b'{"dict": [[1]]}\n',
    "more keys than anybody needs": json.dumps({"dict": [[n, 0] for n in range(20_000)]}).encode(),
    "two kinds at once": b'{"tuple": [], "bytes": 0}\n',
    "no kind": b"{}\n",
    "an unknown kind": b'{"pickle": "gASVAAA"}\n',
    "a scalar that is none": b'{"scalar": {"tuple": []}}\n',
    "a scalar of two numbers": b'{"scalar": {"array": ["|i1", [2]]}}\n' + bytes(2),
    "a complex text": b'{"complex": ["1", "2"]}\n',
    "an error without a name": b'{"exception": [7, "no"]}\n',
    "an error whose name is a list": b'{"exception": [["ValueError"], "no"]}\n',
    "an error whose name is code": b'{"exception": ["__import__(\'os\')", "no"]}\n',
    "an error whose name moves the cursor": b'{"exception": ["\\u001b[2J", "no"]}\n',
    "an error whose name is half a letter": b'{"exception": ["\\ud800", "no"]}\n',
    "an error with too long a name": b'{"exception": ["%s", "no"]}\n' % (b"x" * 101),
    "an error with too many parts": b'{"exception": ["ValueError", "no", 1]}\n',
    "a type whose name has a zero": b'{"unreadable": ["a\\u0000b", false]}\n',
    "a type whose name is a number": b'{"unreadable": [7, false]}\n',
    "a type without a second part": b'{"unreadable": ["set"]}\n',
}


@pytest.mark.parametrize("frame", FORGED.values(), ids=FORGED)
def test_a_forged_frame_is_refused(frame):
    with pytest.raises(ValueError, match=r"."):
        unpack(frame)


@pytest.mark.parametrize("frame", FORGED.values(), ids=FORGED)
def test_a_forged_frame_is_refused_without_the_memory_that_it_asks_for(frame):
    tracemalloc.start()
    read(frame)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20 + 100 * len(frame)


@pytest.mark.parametrize("name", ["open", "exit", "SystemExit", "BaseException", "inv", "object"])
def test_a_name_makes_an_error_and_never_anything_else(name):
    made = unpack(json.dumps({"exception": [name, "text"]}).encode())
    assert isinstance(made, Exception)
    assert str(made) == "text"


def test_reading_a_frame_imports_nothing(monkeypatch):
    imported = []
    monkeypatch.setattr("builtins.__import__", lambda *names, **_: imported.append(names))
    unpack(b'[{"exception": ["os", "x"]}, {"unreadable": ["Path", true]}]\n')
    assert not imported
