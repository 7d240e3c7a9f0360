"""A submission is rebuilt on the teacher's notebook: of whatever was handed in, answers survive."""

import codecs
import copy
import json

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilib.grading.rebuild import (
    MOST_BYTES,
    MOST_CELLS,
    MOST_EXTRA_CELLS,
    checked,
    is_answer,
    is_check,
    read_notebook,
    rebuild_submission,
)
from tests.notebooks import ROOT, TOPICS


def bytes_of(folder, topic="01_l2_from_scratch"):
    return (ROOT / folder / topic / f"{topic}.ipynb").read_bytes()


def notebook_of(*cells, **more):
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5, **more})


def cell(source, kind="code", **more):
    return {"cell_type": kind, "source": source, "metadata": {}, "id": "mine", **more}


SKELETON = read_notebook(bytes_of("solutions"))
RELEASED = read_notebook(bytes_of("exercises"))
ANSWERS = [c["id"] for c in SKELETON["cells"] if is_answer(c)]
CHECKS = [c["id"] for c in SKELETON["cells"] if is_check(c)]


def solved():
    """A submission with an answer of its own in each answer cell."""
    notebook = copy.deepcopy(RELEASED)
    for one in notebook["cells"]:
        if is_answer(one):
            one["source"] += "\n    return 'mine'"
    return notebook


def by_id(notebook):
    return {one["id"]: one for one in notebook["cells"]}


def sources(notebook, *ids):
    return [by_id(notebook)[name]["source"] for name in ids]


def checks_of(notebook):
    return [one for one in notebook["cells"] if one["id"] in CHECKS]


def test_the_specimen_has_several_answers_and_checks():
    assert len(ANSWERS) >= 2 <= len(CHECKS)


# What was done to a submission


def deleted(notebook):
    notebook["cells"] = [c for c in notebook["cells"] if c["id"] not in CHECKS]


def edited(notebook):
    for one in checks_of(notebook):
        one["source"] = "print('10 of 10')"


def duplicated(notebook):
    notebook["cells"] = [twin for c in notebook["cells"] for twin in (c, copy.deepcopy(c))]


def renamed(notebook):
    for number, one in enumerate(notebook["cells"]):
        one["metadata"]["nbgrader"] = {"grade_id": f"mine-{number}", "solution": True}


def renumbered(notebook):
    for number, one in enumerate(notebook["cells"]):
        one["id"] = f"cell-{number}"


def stripped(notebook):
    for one in notebook["cells"]:
        one["metadata"], one["id"] = {}, ""


def tagged(notebook):
    for one in notebook["cells"]:
        one["metadata"]["tags"] = ["skip-execution", "raises-exception"]


def retyped(notebook):
    for one in checks_of(notebook):
        one["cell_type"] = "markdown"


def reordered(notebook):
    notebook["cells"].reverse()


def revalued(notebook):
    for one in checks_of(notebook):
        one["metadata"]["nbgrader"] = {"grade_id": one["id"], "points": 1000, "grade": True}


def promoted(notebook):
    """Call every cell an answer, so that none would be the teacher's."""
    for one in notebook["cells"]:
        one["metadata"]["nbgrader"] = {"grade_id": one["id"], "solution": True}


def demoted(notebook):
    for one in notebook["cells"]:
        one["metadata"]["nbgrader"] = {"solution": False, "grade": False}


def confused(notebook):
    for one in notebook["cells"]:
        one["metadata"]["nbgrader"] = ["no", "dictionary"]


def decorated(notebook):
    notebook["metadata"] |= {"kernelspec": {"name": "bash"}, "celltoolbar": "evil"}
    notebook["nbformat_minor"] = 99
    for one in notebook["cells"]:
        one["outputs"] = [{"output_type": "error", "ename": "evil"}]
        one["attachments"] = {"evil": {}}


def converted(notebook):
    """Mark the checks as answers of the same name, and hide the real ones."""
    for one in checks_of(notebook):
        one["metadata"]["nbgrader"] = {"grade_id": ANSWERS[0], "solution": True}
        one["id"] = "evil"


HARMLESS = [
    *(deleted, edited, duplicated, renamed, renumbered, stripped, tagged, retyped, reordered),
    *(revalued, promoted, demoted, confused, decorated),
]


def changed(*changes):
    notebook = solved()
    for change in changes:
        change(notebook)
    return read_notebook(json.dumps(notebook).encode())


SEVERAL = st.lists(st.sampled_from([*HARMLESS, converted]), max_size=4)


@pytest.mark.parametrize("change", HARMLESS)
def test_whatever_was_done_the_answers_are_found(change):
    rebuilt = rebuild_submission(SKELETON, changed(change)).notebook
    assert sources(rebuilt, *ANSWERS) == sources(solved(), *ANSWERS)


@given(SEVERAL)
def test_whatever_was_done_the_given_cells_and_the_checks_are_the_teachers(changes):
    rebuilt = rebuild_submission(SKELETON, changed(*changes)).notebook
    given_cells = [c for c in SKELETON["cells"] if not is_answer(c)]
    kept = [c for c in rebuilt["cells"] if c["id"] in by_id(SKELETON) and not is_answer(c)]
    assert [(c["id"], c["source"], c["metadata"], c["cell_type"]) for c in kept] == [
        (c["id"], c["source"], c["metadata"], c["cell_type"]) for c in given_cells
    ]


@given(SEVERAL)
def test_whatever_was_done_nothing_but_source_survives_of_the_submission(changes):
    submission = changed(*changes)
    for one in submission["cells"]:
        one["metadata"]["secret"] = "EVIL"
    rebuilt = rebuild_submission(SKELETON, submission).notebook
    assert "EVIL" not in json.dumps(rebuilt)
    assert "skip-execution" not in json.dumps(rebuilt)
    theirs = [c for c in rebuilt["cells"] if c["id"] not in by_id(SKELETON)]
    assert all(c["metadata"] == {} and c["cell_type"] == "code" for c in theirs)
    assert all(c["id"].startswith("extra-") for c in theirs)


@given(SEVERAL)
def test_whatever_was_done_the_teachers_solution_never_survives(changes):
    rebuilt = rebuild_submission(SKELETON, changed(*changes)).notebook
    theirs = {c["source"] for c in changed(*changes)["cells"]}
    assert all(by_id(rebuilt)[name]["source"] in theirs | {""} for name in ANSWERS)


@given(SEVERAL)
def test_whatever_was_done_the_rebuilt_notebook_is_one_that_others_can_read(changes):
    rebuilt = rebuild_submission(SKELETON, changed(*changes)).notebook
    nbformat.validate(nbformat.from_dict(rebuilt))
    assert len(by_id(rebuilt)) == len(rebuilt["cells"])


@given(SEVERAL)
def test_rebuilding_what_was_rebuilt_changes_nothing(changes):
    once = rebuild_submission(SKELETON, changed(*changes)).notebook
    assert sources(rebuild_submission(SKELETON, once).notebook, *by_id(SKELETON)) == sources(
        once, *by_id(SKELETON)
    )


def test_neither_notebook_is_changed_by_rebuilding():
    skeleton, submission = copy.deepcopy(SKELETON), solved()
    rebuild_submission(skeleton, submission)
    assert (skeleton, submission) == (SKELETON, solved())


def test_of_an_empty_notebook_nothing_remains_and_all_is_noted():
    rebuilt = rebuild_submission(SKELETON, read_notebook(notebook_of().encode()))
    assert sources(rebuilt.notebook, *ANSWERS) == [""] * len(ANSWERS)
    assert len(rebuilt.notes) == len(ANSWERS) + len(CHECKS)


@pytest.mark.parametrize("topic", TOPICS)
def test_every_solution_rebuilt_on_itself_is_itself(topic):
    notebook = read_notebook(bytes_of("solutions", topic))
    rebuilt = rebuild_submission(notebook, notebook)
    assert not rebuilt.notes
    assert sources(rebuilt.notebook, *by_id(notebook)) == sources(notebook, *by_id(notebook))
    assert all(checked(c) for c in rebuilt.notebook["cells"] if is_check(c))


@pytest.mark.parametrize("topic", TOPICS)
def test_no_released_exercise_gets_anything_of_its_solution(topic):
    skeleton, released = (read_notebook(bytes_of(f, topic)) for f in ("solutions", "exercises"))
    rebuilt = rebuild_submission(skeleton, released)
    assert not rebuilt.notes
    answers = [c["id"] for c in skeleton["cells"] if is_answer(c)]
    assert sources(rebuilt.notebook, *answers) == sources(released, *answers)


# Extra cells


def with_cell(place, source, **more):
    notebook = solved()
    notebook["cells"].insert(place, cell(source, **more))
    return read_notebook(json.dumps(notebook).encode())


@pytest.mark.parametrize("place", [0, 1, len(RELEASED["cells"])])
def test_an_extra_cell_is_run_behind_the_cell_that_it_followed(place):
    rebuilt = rebuild_submission(SKELETON, with_cell(place, "import math")).notebook
    assert rebuilt["cells"][place]["source"] == "import math"


@pytest.mark.parametrize("more", [{"kind": "markdown"}, {"kind": "raw"}, {"kind": "sparkle"}])
def test_an_extra_cell_without_code_is_left_out(more):
    assert len(
        rebuild_submission(SKELETON, with_cell(1, "x = 1", **more)).notebook["cells"]
    ) == len(SKELETON["cells"])


def test_an_edited_given_cell_is_run_behind_the_one_that_was_given():
    submission = solved()
    place = next(
        n
        for n, c in enumerate(SKELETON["cells"])
        if c["cell_type"] == "code" and not is_answer(c) and not is_check(c)
    )
    submission["cells"][place]["source"] += "\nimport math"
    rebuilt = rebuild_submission(SKELETON, submission).notebook["cells"]
    assert rebuilt[place]["source"] == SKELETON["cells"][place]["source"]
    assert rebuilt[place + 1]["source"] == submission["cells"][place]["source"]


def test_an_answer_that_was_turned_into_text_is_no_answer():
    submission = solved()
    by_id(submission)[ANSWERS[0]]["cell_type"] = "markdown"
    assert sources(rebuild_submission(SKELETON, submission).notebook, ANSWERS[0]) == [""]


def test_the_answers_of_two_swapped_grade_ids_are_both_run():
    submission = solved()
    first, second = (by_id(submission)[name] for name in ANSWERS[:2])
    first["metadata"], second["metadata"] = second["metadata"], first["metadata"]
    rebuilt = rebuild_submission(SKELETON, submission).notebook
    assert set(sources(rebuilt, *ANSWERS[:2])) == {first["source"], second["source"]}


def test_an_answer_with_a_slip_in_it_is_still_found_by_its_name():
    submission = solved()
    stripped(submission)
    one = next(c for c in submission["cells"] if c["source"] == sources(solved(), ANSWERS[0])[0])
    one["source"] += ")"
    rebuilt = rebuild_submission(SKELETON, read_notebook(json.dumps(submission).encode()))
    assert sources(rebuilt.notebook, ANSWERS[0]) == [one["source"]]


@pytest.mark.parametrize("text", ["()" * 10**6, "-" * 10**6 + "1", "x=" * 10**6, "(" * 10**6])
def test_text_that_would_burst_a_parser_is_only_text(text):
    rebuilt = rebuild_submission(SKELETON, with_cell(1, "f" + text)).notebook
    assert rebuilt["cells"][1]["source"] == "f" + text


def test_more_extra_cells_than_anybody_needs_are_refused():
    submission = read_notebook(notebook_of(*[cell("x = 1")] * (MOST_EXTRA_CELLS + 1)).encode())
    with pytest.raises(ValueError, match="cells of its own"):
        rebuild_submission(SKELETON, submission)


def test_half_a_letter_does_not_come_into_the_rebuilt_notebook():
    rebuilt = rebuild_submission(SKELETON, with_cell(1, "x = '\ud800'")).notebook
    assert rebuilt["cells"][1]["source"] == "x = '?'"


# Files


TEXT = notebook_of(cell("größe = '∑'"))


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode(),
        TEXT.encode("utf-8-sig"),
        TEXT.encode("utf-16"),
        codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
        json.dumps(json.loads(TEXT), ensure_ascii=False).encode(),
        b"\r\n " + TEXT.encode() + b"\n\n",
    ],
    ids=["utf-8", "with a mark", "utf-16", "big end first", "letters", "blank lines"],
)
def test_a_notebook_is_read_in_any_usual_encoding(data):
    assert read_notebook(data)["cells"][0]["source"] == "größe = '∑'"


def test_a_notebook_in_latin_1_is_read():
    text = notebook_of(cell("größe")).encode().decode("unicode-escape")
    assert read_notebook(text.encode("latin-1"))["cells"][0]["source"] == "größe"


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (TEXT.encode()[:-1], "only a part of one"),
        (b"PK\x03\x04", "no notebook"),
        (b"\xff\xfe\x00", "no notebook"),
        (bytes(100), "no notebook"),
        (b"print('a script')", "no notebook"),
        (b"[1]", "no list of cells"),
        (b"null", "no list of cells"),
        (b"NaN", "no list of cells"),
        (b'{"cells": null}', "no list of cells"),
        (b'{"cells": {"0": {}}}', "no list of cells"),
        (b'{"worksheets": [{"cells": []}], "nbformat": 3}', "format 4"),
        (b"[" * 10**6, "nested too deeply"),
        (b'{"cells": [' + b"1" * 5000 + b"]}", "no notebook"),
        (b" " * (MOST_BYTES + 1), "bytes"),
        (b'{"cells": [' + b"{}," * MOST_CELLS + b"{}]}", "cells"),
    ],
    ids=lambda value: repr(value[:24]),
)
def test_a_file_that_is_no_notebook_is_told_so(data, sentence):
    with pytest.raises(ValueError, match=sentence):
        read_notebook(data)


@given(st.binary())
def test_any_bytes_are_a_notebook_or_refused(data):
    with pytest.raises(ValueError, match=r"file|notebook"):
        read_notebook(data)


@given(st.data())
def test_a_damaged_notebook_is_rebuilt_or_refused(data):
    damaged = bytearray(json.dumps(solved()).encode())
    for _ in range(data.draw(st.integers(1, 5))):
        place = data.draw(st.integers(0, len(damaged) - 1))
        damaged[place : place + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=9))
    refused = []
    try:
        rebuild_submission(SKELETON, read_notebook(bytes(damaged)))
    except ValueError as error:
        refused.append(error)
    assert len(refused) <= 1


FIELD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["nbgrader", "grade_id", "solution"]), inner)
    ),
    max_leaves=6,
)
ODD_CELL = FIELD | st.fixed_dictionaries(
    {},
    optional={
        "cell_type": FIELD | st.just("code"),
        "id": FIELD | st.sampled_from(ANSWERS),
        "metadata": FIELD
        | st.fixed_dictionaries(
            {"nbgrader": st.fixed_dictionaries({"grade_id": FIELD | st.sampled_from(CHECKS)})}
        ),
        "source": FIELD | st.lists(FIELD),
        "outputs": FIELD,
    },
)


@given(st.lists(ODD_CELL), st.dictionaries(st.sampled_from(["metadata", "nbformat"]), FIELD))
def test_whatever_stands_in_its_fields_a_notebook_is_rebuilt(cells, more):
    submission = read_notebook(json.dumps({"cells": cells, **more}).encode())
    rebuilt = rebuild_submission(SKELETON, submission).notebook
    nbformat.validate(nbformat.from_dict(rebuilt))
    assert json.dumps(rebuilt, ensure_ascii=False).encode()
    assert [c["id"] for c in rebuilt["cells"] if is_check(c)] == CHECKS


# The teacher's own cells


@pytest.mark.parametrize(
    "source",
    [
        "check('01.repair', repair) or 1",
        "check('01.repair', repair, seed=1)",
        "check('01.repair', make())",
        "check(name, repair)",
        "check('01.repair', repair)\ncheck('01.translate', translate)",
        "mark('01.repair', repair)",
        "",
    ],
)
def test_a_check_that_asks_for_anything_but_one_task_is_refused(source):
    with pytest.raises(ValueError, match="nothing else in a graded cell"):
        checked(cell(source))
