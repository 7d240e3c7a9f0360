"""Files that are handed in: what is accepted, what gains nothing, and what hostile ones can do."""

import base64
import struct
import time
import tracemalloc
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minilib import codec
from minilib.checks import lesson_15
from minilib.checks.task import judge
from minilib.codec import decode_network, encode_network
from minilib.datasets import load_fashion_mnist
from minilib.integers import IntegerLayer, IntegerNetwork
from tests.answers.lesson_15 import FILES, RIGHT, SMALL, sealed, text_of

TASKS = {task.name: task for task in lesson_15.TASKS}
KILOBYTE, QR_CODE, TEN_KILOBYTES = TASKS.values()
TEXT = text_of(FILES["kilobyte"])


def refusal(answer, task=KILOBYTE):
    problem = judge(task, answer, seed=0)
    assert isinstance(problem, str)
    return problem


def sentence(name):
    return next(m.message for m in lesson_15.MISTAKES if m.name == name)


def test_each_reference_is_within_the_budget_of_its_task():
    for task in TASKS.values():
        assert len(FILES[task.name[3:]]) <= task.budget


@pytest.mark.parametrize("blank", ["", " \n\t "])
def test_a_blank_text_is_told_that_nothing_is_written_yet(blank):
    assert "not written yet" in refusal(blank)


def test_the_last_byte_of_a_budget_may_be_used_and_no_more():
    size = len(FILES["kilobyte"])
    assert judge(replace(KILOBYTE, budget=size), TEXT, 0) is None
    assert "over the budget of 960 bytes" in refusal(TEXT, replace(KILOBYTE, budget=size - 1))


def test_a_good_network_over_the_budget_gains_nothing():
    assert "over the budget of 1,024 bytes" in refusal(text_of(FILES["qr_code"]))
    assert "over the budget of 2,953" in refusal(text_of(FILES["ten_kilobytes"]), QR_CODE)


def test_a_good_network_below_the_gate_is_told_how_far_it_is():
    assert "asked for are 87.50%" in refusal(TEXT, QR_CODE)
    assert "asked for are 88.50%" in refusal(text_of(FILES["qr_code"]), TEN_KILOBYTES)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("seed", [1, 2])
def test_every_seed_measures_on_all_test_pictures(task, seed):
    pictures, labels = TASKS[task].draw(np.random.default_rng(seed))
    test = load_fashion_mnist("test")
    assert np.array_equal(pictures, test.x)
    assert np.array_equal(labels, test.y)


@pytest.mark.parametrize("gate", ["at", "above"])
def test_a_single_picture_decides_whether_a_gate_is_passed(gate):
    right = lesson_15._share(SMALL, *KILOBYTE.draw(np.random.default_rng(0)))
    shortcoming = lesson_15._below({"at": right, "above": right + 1e-4}[gate])
    problem = shortcoming(SMALL, *KILOBYTE.draw(np.random.default_rng(0)))
    assert (problem is None) == (gate == "at")


@pytest.mark.parametrize("task", TASKS)
def test_what_is_read_does_not_remember_the_task_or_the_seed(task):
    assert [judge(TASKS[task], RIGHT[task][0], seed) for seed in (5, 6, 5)] == [None] * 3


# --- damaged and hostile -------------------------------------------------------------------------


@pytest.mark.parametrize("place", [0, 6, 12, 200, 960])
@pytest.mark.parametrize("bit", [0, 7])
def test_one_wrong_bit_gains_nothing(place, bit):
    file = bytearray(FILES["kilobyte"])
    file[place] ^= 1 << bit
    refusal(text_of(bytes(file)))


@pytest.mark.parametrize("length", [0, 1, 5, 13, 14, 15, 500, 960])
def test_a_file_that_is_cut_off_gains_nothing(length):
    refusal(text_of(FILES["kilobyte"][:length]))


@given(st.binary(max_size=300))
@settings(max_examples=60, deadline=None)
def test_any_content_in_a_right_frame_is_refused_with_a_sentence(content):
    refusal(text_of(sealed(content)))


@given(st.text(max_size=300))
@settings(max_examples=60, deadline=None)
def test_any_text_is_refused_with_a_sentence(text):
    refusal(text)


@given(st.lists(st.integers(0, 65_535), min_size=2, max_size=5), st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_forged_widths_cost_no_more_than_the_bits_that_are_allowed(widths, block):
    head = struct.pack(f">B{len(widths)}H", len(widths) - 1, *widths)
    refusal(text_of(sealed(head + bytes(len(widths) - 1) + bytes([block]) + b"\x55" * 40)))


def test_a_network_of_too_many_weights_is_refused_before_any_is_read(monkeypatch):
    monkeypatch.setattr(codec, "Decoder", None)
    head = struct.pack(">B3H2BB", 2, 784, 65_535, 10, 0, 0, 1)
    assert refusal(text_of(sealed(head))) == sentence("too long to read")


def test_a_short_file_that_promises_millions_of_bits_is_given_up():
    head = struct.pack(">B3H2BB", 2, 784, 300, 10, 0, 0, 1)
    assert refusal(text_of(sealed(head + bytes(30)))) == sentence("too long to read")


def test_a_few_bytes_that_ask_for_a_layer_of_30_000_neurons_fill_neither_time_nor_memory():
    layers = [
        IntegerLayer(np.zeros((n_out, n_in), int), np.zeros(n_out, int), 0)
        for n_in, n_out in pairwise([784, 1, 30_000, 1, 10])
    ]
    text = text_of(encode_network(IntegerNetwork(tuple(layers))))
    KILOBYTE.draw(np.random.default_rng(0))  # unpacks the pictures, once
    start = time.process_time()
    assert refusal(text) == sentence("other shapes")
    assert time.process_time() - start < 2
    tracemalloc.start()
    network = lesson_15._read(base64.b85decode(text))
    assert network.predict(load_fashion_mnist("test").x[:2_000]).tolist() == [0] * 2_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(text) < 50
    assert peak < 300e6


def test_an_eleventh_class_that_is_never_named_is_refused():
    *others, last = SMALL.layers
    weight = np.vstack([last.weight, np.zeros_like(last.weight[:1])])
    bias = np.append(last.bias, -(2**20))
    network = IntegerNetwork((*others, replace(last, weight=weight, bias=bias)))
    assert lesson_15._share(network, *KILOBYTE.draw(np.random.default_rng(0))) > 0.85
    assert refusal(text_of(encode_network(network))) == sentence("other shapes")


def test_a_hundred_megabytes_of_text_are_over_the_budget():
    assert "over the budget" in refusal("0" * 10**8)


def test_spaces_are_tolerated_but_do_not_hide_a_text_without_end():
    assert "not written yet" in refusal(" " * 10**7 + TEXT)


class Disguised(str):
    """A text that says of itself whatever serves it."""

    __slots__ = ()

    def __len__(self):
        return 3

    def __getitem__(self, key):
        return TEXT

    def __iter__(self):
        raise AssertionError("somebody looked")


class Pretender:
    """Neither text nor bytes, and furious when touched."""

    def __repr__(self):
        raise AssertionError("somebody looked")

    __str__ = __len__ = __iter__ = __eq__ = __hash__ = __repr__


class Furious(type):
    """The type of types that do not tell their name."""

    @property
    def __name__(cls):
        raise AssertionError("somebody asked")


class Nameless(metaclass=Furious):
    pass


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Disguised(TEXT), id="disguised"),
        pytest.param(Pretender(), id="pretender"),
        pytest.param(Nameless(), id="nameless"),
        FILES["kilobyte"],
        bytearray(9),
        [TEXT],
        {"a": TEXT},
        None,
        3.0,
    ],
    ids=lambda answer: type(answer).__name__,
)
def test_what_is_no_text_is_refused_unopened(answer):
    assert refusal(answer).startswith("hand in text: this is something else.")


def test_a_network_object_is_told_how_to_become_text():
    assert "base64.b85encode(data)" in refusal(decode_network(FILES["kilobyte"]))
