import errno
import json
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbval.plugin import coalesce_streams

from tools import notebooks as tool
from tools.normalise import STATE, VIEW, as_text, normalised

LESSON = [
    "# 07 · A tiny lesson\n\n| | |\n|:--|:--|\n"
    "| **After this lesson you can** | draw [squares](x.ipynb); stop |\n"
    "| **Reading time** | 12 minutes |\n\nA published lesson was too long.",
    "import matplotlib.pyplot as plt\n\nfrom minilib.plots import show\n"
    "from minilib.widgets import frames",
    "def draw(n):\n"
    "    fig, ax = plt.subplots()\n"
    "    ax.plot(range(n), [k * k for k in range(n)])\n"
    "    return fig\n\n"
    "show(draw(3), 'Three squares.')",
    "for k in range(3):\n    print(k, flush=True)",
    "frames(draw, [2, 3, 4], label='n', alt=lambda n: f'{n} squares.')",
    "frames(draw, [5, 6], label='n', alt=lambda n: f'{n} squares.')",
]


def cell(source, /, id="1234abcd", **metadata):
    kind = "markdown" if source.startswith("#") else "code"
    code = {"execution_count": None, "outputs": []} if kind == "code" else {}
    return {"cell_type": kind, "id": id, "metadata": metadata, "source": source, **code}


def notebook_of(cells):
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def write(path, *sources, **metadata):
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = [cell(source, f"{k:08x}", **metadata) for k, source in enumerate(sources)]
    path.write_text(json.dumps(notebook_of(cells)), encoding="utf-8")
    return path


def names(cells):
    return [cell["id"] for cell in normalised(notebook_of(cells))["cells"]]


def run(*arguments):
    tool.main([str(argument) for argument in arguments])


def refused(capsys, *paths):
    """Run notebooks that fail; return the complaint, after a check that no file has changed."""
    before = [path.read_bytes() for path in paths]
    with pytest.raises(SystemExit) as stop:
        run(*paths)
    assert stop.value.code == 1
    assert [path.read_bytes() for path in paths] == before
    return capsys.readouterr().err


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A small lesson that the tool has run once."""
    path = write(tmp_path_factory.mktemp("once") / "07_tiny.ipynb", *LESSON)
    run(path)
    return path


def read(path):
    return json.loads(path.read_text("utf-8"))


# --- running -------------------------------------------------------------------------------------


def test_running_twice_gives_the_same_bytes(tiny, tmp_path):
    again = write(tmp_path / "07_tiny.ipynb", *LESSON)
    run(again)
    assert again.read_bytes() == tiny.read_bytes()
    run(again)
    assert again.read_bytes() == tiny.read_bytes()


def test_a_shown_figure_is_stored_once_with_its_alternative_text(tiny):
    (output,) = read(tiny)["cells"][2]["outputs"]
    assert output["data"].keys() == {"image/png", "text/plain"}
    assert output["metadata"]["image/png"]["alt"] == "".join(output["data"]["text/plain"])


def test_what_is_printed_in_pieces_is_stored_in_one(tiny):
    (output,) = read(tiny)["cells"][3]["outputs"]
    assert "".join(output["text"]) == "0\n1\n2\n"


def test_each_slider_is_stored_with_all_its_frames_and_its_link(tiny):
    notebook = read(tiny)
    models = notebook["metadata"]["widgets"][STATE]["state"]
    views = [notebook["cells"][k]["outputs"][0]["data"][VIEW]["model_id"] for k in (4, 5)]
    kinds = [model["model_name"] for model in models.values()]
    assert [models[view]["model_name"] for view in views] == ["VBoxModel"] * 2
    assert kinds.count("HTMLModel") == 3 + 2
    assert kinds.count("LinkModel") == 2


def test_widgets_are_numbered_from_the_first_output_on(tiny):
    models = read(tiny)["metadata"]["widgets"][STATE]["state"]
    assert list(models) == [f"{k:032x}" for k in range(len(models))]
    mentioned = set(json.dumps(models).split("IPY_MODEL_")[1:])
    assert {mention[:32] for mention in mentioned} <= models.keys()


def test_the_stored_notebook_is_valid_and_tells_nothing_of_its_run(tiny):
    notebook = nbformat.read(tiny, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.keys() == {"kernelspec", "language_info", "widgets"}
    assert notebook.metadata.kernelspec.name == "python3"
    assert notebook.metadata.language_info == {"name": "python"}
    assert {key for cell in notebook.cells for key in cell.metadata} == set()


def test_bringing_a_stored_notebook_into_form_changes_no_byte(tiny, tmp_path):
    copy = shutil.copy(tiny, tmp_path)
    run("--normalise", copy)
    assert Path(copy).read_bytes() == tiny.read_bytes()


def test_normalise_does_not_run_the_cells(tmp_path):
    path = write(tmp_path / "a.ipynb", "1 / 0")
    run("--normalise", path)
    assert read(path)["cells"][0]["outputs"] == []


def test_cells_run_in_the_folder_of_their_notebook(tmp_path):
    path = write(tmp_path / "deep" / "a.ipynb", "from pathlib import Path\nPath.cwd().name")
    run(path)
    assert read(path)["cells"][0]["outputs"][0]["data"]["text/plain"] == ["'deep'"]


def test_a_progress_bar_is_stored_as_it_ended(tmp_path):
    source = (
        "from minilib.progress import progress\n"
        "print('first')\n"
        "squares = [k * k for k in progress(range(3), 'squares')]\n"
        "print('last')"
    )
    path = write(tmp_path / "a.ipynb", source)
    run(path)
    (output,) = read(path)["cells"][0]["outputs"]
    assert "".join(output["text"]) == f"first\nsquares: 3/3 {'█' * 20}\nlast\n"


@given(st.lists(st.text("ab\r\n"), min_size=1))
def test_what_is_printed_is_stored_as_nbval_compares_it(pieces):
    printed = [{"output_type": "stream", "name": "stdout", "text": piece} for piece in pieces]
    ran = {**cell("3"), "execution_count": 1, "outputs": printed}
    (stored,) = normalised(notebook_of([ran]))["cells"][0]["outputs"]
    (compared,) = coalesce_streams([nbformat.from_dict(piece) for piece in printed])
    assert stored["text"] == compared.text


def test_an_intended_error_is_stored_without_the_places_of_this_machine(tmp_path):
    source = "from minilib.datasets import load_mnist\nload_mnist('x')"
    path = write(tmp_path / "a.ipynb", source, tags=["raises-exception"])
    run(path)
    (output,) = read(path)["cells"][0]["outputs"]
    shown = "\n".join(output["traceback"])
    assert "part is 'train' or 'test', got 'x'." in shown
    assert "load_mnist" in shown
    assert "datasets.py" not in shown


def test_an_empty_cell_keeps_no_old_output(tmp_path):
    path = write(tmp_path / "a.ipynb", "", "3")
    notebook = read(path)
    stale = {"output_type": "stream", "name": "stdout", "text": "old"}
    notebook["cells"][0].update(execution_count=9, outputs=[stale])
    path.write_text(json.dumps(notebook))
    run(path)
    assert [cell["execution_count"] for cell in read(path)["cells"]] == [None, 1]
    assert read(path)["cells"][0]["outputs"] == []


def test_a_line_with_the_seconds_is_printed_for_each_notebook(tmp_path, capsys):
    run("--normalise", write(tmp_path / "a.ipynb", "3"), write(tmp_path / "b.ipynb", "3"))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [["a.ipynb", "0.0", "s"], ["b.ipynb", "0.0", "s"]]


def test_the_tool_runs_as_a_script(tmp_path):
    path = write(tmp_path / "a.ipynb", "3")
    script = [sys.executable, tool.__file__, "--normalise", path]
    done = subprocess.run(script, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("a.ipynb")


# --- refusing ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("1 / 0", "cell raises ZeroDivisionError: division by zero"),
        ("import sys\nprint('oh no', file=sys.stderr)", "cell writes to stderr: oh no"),
        ("import os\nos._exit(1)", "cell ends the kernel"),
    ],
)
def test_a_cell_that_fails_is_named_and_nothing_is_written(tmp_path, capsys, source, complaint):
    path = write(tmp_path / "a.ipynb", source)
    assert refused(capsys, path) == f"a.ipynb was left as it was: {complaint}\n"


def test_a_slow_cell_is_named_and_nothing_is_written(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(tool, "CELL_SECONDS", 1)
    path = write(tmp_path / "a.ipynb", "# Waiting", "import time\ntime.sleep(30)")
    assert "waiting-2 takes more than 1 s" in refused(capsys, path)


def test_a_slow_notebook_is_refused(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(tool, "NOTEBOOK_SECONDS", 0.1)
    path = write(tmp_path / "a.ipynb", "import time\ntime.sleep(0.2)", "1 / 0")
    assert "it takes more than 0.1 s; cell came last" in refused(capsys, path)


def test_a_big_notebook_is_refused(tmp_path, capsys):
    path = write(tmp_path / "a.ipynb", "print('x' * 1_000_000)")
    assert "bytes, and web viewers refuse 1,000,000" in refused(capsys, path)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"{'cells'", "is not JSON"),
        (b"", "is not JSON"),
        (b"\xff\xfe\x00", "is not JSON"),
        (b"[]", "is not a notebook of format 4"),
        (b"3", "is not a notebook of format 4"),
        (b'{"metadata": {}, "nbformat": 3, "worksheets": []}', "is not a notebook of format 4"),
        (b'{"metadata": {}, "cells": [{"cell_type": "code"}]}', "is not a notebook of format 4"),
        (b'{"metadata": {}, "cells": [{"source": 3}]}', "is not a notebook of format 4"),
        (json.dumps(notebook_of([{**cell("3"), "cell_type": "poem"}])).encode(), "format 4"),
        (
            json.dumps(
                notebook_of([{**cell("3"), "execution_count": 1, "outputs": [{"text": ""}]}])
            ).encode(),
            "format 4",
        ),
    ],
)
def test_a_file_that_is_no_notebook_is_named_in_one_line_and_the_others_go_on(
    tmp_path, capsys, content, complaint
):
    broken, good = tmp_path / "broken.ipynb", write(tmp_path / "good.ipynb", "3")
    broken.write_bytes(content)
    with pytest.raises(SystemExit) as stop:
        run("--normalise", broken, good)
    said = capsys.readouterr()
    assert stop.value.code == 1
    assert broken.read_bytes() == content
    assert said.err.startswith("broken.ipynb was left as it was: it ")
    assert complaint in said.err
    assert said.err.count("\n") == 1
    assert said.out.startswith("good.ipynb")


def test_a_missing_notebook_is_named(tmp_path, capsys):
    with pytest.raises(SystemExit):
        run(tmp_path / "nowhere.ipynb")
    assert "nowhere.ipynb was left as it was: [Errno 2]" in capsys.readouterr().err


@pytest.mark.parametrize("step", ["write_bytes", "replace"])
def test_a_full_disk_leaves_the_old_file_whole_and_nothing_beside_it(
    tmp_path, capsys, monkeypatch, step
):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    def half(path, content):
        with path.open("wb") as file:
            file.write(content[: len(content) // 2])
        full()

    path = write(tmp_path / "a.ipynb", "3")
    fakes = {"write_bytes": (Path, half), "replace": (tool.os, full)}
    monkeypatch.setattr(fakes[step][0], step, fakes[step][1])
    before = path.read_bytes()
    with pytest.raises(SystemExit):
        run("--normalise", path)
    assert "No space left on device" in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["a.ipynb"]
    assert path.read_bytes() == before


def test_a_rewritten_notebook_can_be_read_by_all_who_could(tmp_path):
    path = write(tmp_path / "a.ipynb", "3")
    path.chmod(0o644)
    run("--normalise", path)
    assert path.stat().st_mode & 0o777 == 0o644


# --- names of cells ------------------------------------------------------------------------------


def test_a_name_that_can_be_read_stays():
    assert names([cell("# Title", "why"), cell("3", "run-zeros")]) == ["why", "run-zeros"]


def test_the_grade_id_becomes_the_name():
    assert names([cell("3", "1234abcd", nbgrader={"grade_id": "zeros-check"})]) == ["zeros-check"]


@pytest.mark.parametrize(
    "id", ["1234abcd", "16fd2706-8baf-433b-82eb-8c7fada847da", "", "7", "two words", "x" * 65]
)
def test_a_name_drawn_by_lot_or_not_allowed_gives_way_to_the_heading(id):
    assert names([cell("# Why it diverges", "top"), cell("3", id)]) == ["top", "why-it-diverges-2"]


def test_a_cell_without_a_name_gets_one():
    unnamed = cell("# Zeros")
    del unnamed["id"]
    assert names([unnamed]) == ["zeros"]


def test_cells_are_numbered_below_each_heading():
    cells = [cell(text) for text in ("# L1 · Zeros", "3", "4", "## Norm $\\ell_2$: é", "5")]
    assert names(cells) == [
        "l1-zeros",
        "l1-zeros-2",
        "l1-zeros-3",
        "norm-ell-2-e",
        "norm-ell-2-e-2",
    ]


def test_of_two_headings_in_a_cell_the_last_names_the_cells_below():
    assert names([cell("# Zeros\n\n## Ones"), cell("3")]) == ["zeros", "ones-2"]


def test_a_comment_in_a_code_block_is_no_heading():
    assert names([cell("# Real\n\n```\n# comment\n```"), cell("3")]) == ["real", "real-2"]


def test_a_heading_without_latin_letters_gives_no_name():
    assert names([cell("# 剪枝"), cell("3")]) == ["cell", "cell-2"]


def test_of_two_equal_names_the_second_changes():
    assert names([cell("# Zeros", "run"), cell("3", "run")]) == ["run", "zeros-2"]


def test_a_copied_cell_does_not_take_the_name_of_a_graded_one():
    graded = cell("3", nbgrader={"grade_id": "run"})
    assert names([cell("# Zeros"), cell("4", "run"), graded]) == ["zeros", "zeros-2", "run"]


def test_two_equal_grade_ids_are_refused(tmp_path, capsys):
    path = write(tmp_path / "a.ipynb", "3", "4", nbgrader={"grade_id": "zeros"})
    assert "two cells have the grade_id 'zeros'" in refused(capsys, path)


IDS = st.sampled_from(["", "1234abcd", "run", "zeros", "zeros-2", "zeros-3", "cell"])
SOURCES = st.sampled_from(["# Zeros", "## Run", "# 1234abcd", "# " + "long " * 30, "3"])


@given(st.lists(st.builds(cell, SOURCES, IDS), max_size=12))
def test_names_are_valid_unique_and_lasting(cells):
    notebook = nbformat.from_dict(normalised(notebook_of(cells)))
    nbformat.validate(notebook)
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    assert names(notebook.cells) == ids


# --- widgets and other traces of a run -----------------------------------------------------------


def widgets_of(prefix, *, shuffled):
    """A slider, a stack, two links between them, an orphan and a link to it."""
    slider, stack, one, two, orphan, stray = (f"{prefix}{k:031x}" for k in range(6))

    def link(trait, target):
        ends = [f"IPY_MODEL_{slider}", trait], [f"IPY_MODEL_{target}", trait]
        return {
            "model_name": "LinkModel",
            "state": dict(zip(("source", "target"), ends, strict=True)),
        }

    models = {
        slider: {"model_name": "SliderModel", "state": {}},
        stack: {"model_name": "StackModel", "state": {"children": [f"IPY_MODEL_{slider}"]}},
        one: link("index", stack),
        two: link("value", stack),
        orphan: {"model_name": "HTMLModel", "state": {"value": "nobody shows me"}},
        stray: link("value", orphan),
    }
    data = {"text/plain": "A stack.", VIEW: {"model_id": stack}}
    output = {"output_type": "display_data", "data": data, "metadata": {}}
    notebook = notebook_of([{**cell("show()"), "execution_count": 5, "outputs": [output]}])
    items = sorted(models.items(), reverse=shuffled)
    notebook["metadata"] = {"widgets": {STATE: {"state": dict(items)}}, "vscode": {"x": 1}}
    return notebook


def test_neither_the_ids_nor_the_order_of_widgets_matter():
    first, second = widgets_of("a", shuffled=False), widgets_of("b", shuffled=True)
    assert as_text(normalised(first)) == as_text(normalised(second))


def test_widgets_that_no_output_shows_are_dropped_and_links_between_shown_ones_stay():
    models = normalised(widgets_of("a", shuffled=False))["metadata"]["widgets"][STATE]["state"]
    kinds = [model["model_name"] for model in models.values()]
    assert kinds == ["StackModel", "SliderModel", "LinkModel", "LinkModel"]


def test_an_output_whose_widget_was_not_stored_keeps_its_text():
    notebook = widgets_of("a", shuffled=False)
    del notebook["metadata"]["widgets"]
    stored = normalised(notebook)
    assert stored["cells"][0]["outputs"][0]["data"] == {"text/plain": "A stack."}
    assert "widgets" not in stored["metadata"]


def test_bringing_into_form_leaves_the_given_notebook_alone():
    notebook = widgets_of("a", shuffled=False)
    normalised(notebook)
    assert notebook == widgets_of("a", shuffled=False)


def test_cells_that_ran_are_counted_from_one_and_the_others_are_not():
    result = {"output_type": "execute_result", "execution_count": 7, "data": {}, "metadata": {}}
    cells = [cell("3"), {**cell("4"), "execution_count": 7, "outputs": [result]}]
    first, second = normalised(notebook_of(cells))["cells"]
    assert first["execution_count"] is None
    assert second["execution_count"] == second["outputs"][0]["execution_count"] == 1


def test_marks_of_the_course_stay_and_those_of_the_editor_go():
    metadata = {"tags": ["reads-output"], "execution": {"iopub.status.busy": "t"}, "scrolled": True}
    (stored,) = normalised(notebook_of([cell("# Zeros", **metadata)]))["cells"]
    assert stored["metadata"] == {"tags": ["reads-output"]}


def test_space_at_the_end_of_a_cell_goes():
    (stored,) = normalised(notebook_of([cell("3  \n\n")]))["cells"]
    assert stored["source"] == "3"


def test_a_stored_file_has_sorted_keys_and_one_line_end_at_its_end():
    text = as_text(normalised(widgets_of("a", shuffled=True)))
    assert text == json.dumps(json.loads(text), indent=1, sort_keys=True) + "\n"


# --- the table of lessons ------------------------------------------------------------------------


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A repository with one lesson, one solution and a README."""
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    write(tmp_path / "notebooks" / "07_tiny.ipynb", LESSON[0], "3")
    write(tmp_path / "solutions" / "07_tiny" / "07_tiny.ipynb", "4")
    readme = "Above.\n<!-- lessons: begin -->\nold\n<!-- lessons: end -->\nBelow.\n"
    (tmp_path / "README.md").write_text(readme, encoding="utf-8")
    return tmp_path


def test_after_all_lessons_have_run_the_readme_lists_them(course, monkeypatch):
    monkeypatch.setattr(tool, "execute_", lambda notebook, folder: 6.2)
    run()
    assert (course / "README.md").read_text("utf-8") == (
        "Above.\n<!-- lessons: begin -->\n"
        "| | lesson | after it you can | minutes to read | seconds to run |\n"
        "|---|---|---|---|---|\n"
        "| [07](notebooks/07_tiny.ipynb) | A tiny lesson | draw squares; stop | 12 | 10 |\n"
        "<!-- lessons: end -->\nBelow.\n"
    )


def test_all_lessons_and_solutions_are_run_when_no_notebook_is_named(course, capsys):
    run()
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
        "07_tiny.ipynb",
        "07_tiny.ipynb",
    ]
    assert read(course / "solutions" / "07_tiny" / "07_tiny.ipynb")["cells"][0]["outputs"]


@pytest.mark.parametrize("arguments", [["--normalise"], ["notebooks/07_tiny.ipynb"]])
def test_the_readme_stays_as_it_is_unless_all_lessons_ran(course, monkeypatch, arguments):
    monkeypatch.setattr(tool, "execute_", lambda notebook, folder: 6.2)
    monkeypatch.chdir(course)
    run(*arguments)
    assert "\nold\n" in (course / "README.md").read_text("utf-8")


def test_the_readme_stays_as_it_is_if_a_solution_fails(course, monkeypatch):
    (course / "solutions" / "07_tiny" / "07_tiny.ipynb").write_text("{")
    monkeypatch.setattr(tool, "execute_", lambda notebook, folder: 6.2)
    with pytest.raises(SystemExit):
        run()
    assert "\nold\n" in (course / "README.md").read_text("utf-8")


def test_a_readme_without_a_place_for_the_table_is_named(course, monkeypatch):
    (course / "README.md").write_text("Nothing here.\n")
    monkeypatch.setattr(tool, "execute_", lambda notebook, folder: 6.2)
    with pytest.raises(SystemExit, match="write the lines <!-- lessons: begin -->"):
        run()


@pytest.mark.parametrize("part", ["07 · ", "After this lesson you can", "12 minutes"])
def test_a_lesson_without_number_skills_or_minutes_is_named(course, monkeypatch, part):
    first = LESSON[0].replace(part, "")
    write(course / "notebooks" / "07_tiny.ipynb", first, "3")
    monkeypatch.setattr(tool, "execute_", lambda notebook, folder: 6.2)
    with pytest.raises(SystemExit, match=r"07_tiny\.ipynb has no line in README\.md"):
        run()
    assert "\nold\n" in (course / "README.md").read_text("utf-8")
