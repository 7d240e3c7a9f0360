"""Each erratum is listed once, and the place it names exists."""

import re

import pytest

from minilib.checks import TASKS
from tests.notebooks import ROOT, TOPICS, lesson, read, solution

ROW = re.compile(r"(?m)^\| ([AB]\d+) \|.*\| (.+?) \|$")
PLACE = re.compile(r"(lesson|exercise) (\d\d)\b([^;]*?)(?=;|,? (?:lesson|exercise) \d\d|$)")
ERRATA = dict(ROW.findall((ROOT / "docs" / "errata.md").read_text("utf-8")))


def topic(number):
    (found,) = (name for name in TOPICS if name.startswith(number))
    return found


def places(where):
    """Kind, number and the rest of each place that a row names, without the links."""
    return PLACE.findall(re.sub(r"\]\([^)]*\)|\[", "", where))


def test_all_58_errata_are_listed_in_order_and_each_once():
    names = [name for name, _ in ROW.findall((ROOT / "docs" / "errata.md").read_text("utf-8"))]
    assert names == [f"A{i}" for i in range(1, 32)] + [f"B{i}" for i in range(1, 28)]


@pytest.mark.parametrize("name", ERRATA)
def test_an_erratum_is_taken_up_where_it_says(name):
    found = places(ERRATA[name])
    assert found, f"{name} names no lesson or exercise"
    for kind, number, rest in found:
        folder = {"lesson": lesson, "exercise": solution}[kind]
        notebook = read(folder(topic(number)))
        for heading in re.findall(r'"([^"]+)"', rest):
            assert notebook.section(re.escape(heading)), f"{name}: {kind} {number}, {heading!r}"
        for task in re.findall(r"\*(\w+)\*", rest):
            assert f"{number}.{task}" in TASKS, f"{name}: {number}.{task}"
