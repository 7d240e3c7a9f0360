"""Every committed lesson keeps the rules, and every rule finds what it is there for."""

import pytest

from minilib.progress import progress
from tests import lesson_rules as rules
from tests.lesson_rules import LESSON_RULES, NOTEBOOK_RULES
from tests.notebooks import ROOT, TOPICS, Cell, lesson, read, solution
from tests.specimens import (
    LESSON,
    code,
    markdown,
    picture,
    printed,
    raised,
    replaced,
    rewritten,
    write_lesson,
)
from tools.normalise import whole

COMMITTED = [(lesson(topic), rule) for topic in TOPICS for rule in NOTEBOOK_RULES + LESSON_RULES]
COMMITTED += [(solution(topic), rule) for topic in TOPICS for rule in NOTEBOOK_RULES]


def spoiled(id: str, pattern: str, replacement: str) -> list[dict]:
    return rewritten(LESSON, id, pattern, replacement)


def with_output(output: dict) -> list[dict]:
    return replaced(LESSON, "run-zeros", outputs=[output])


def with_code(source: str) -> list[dict]:
    return replaced(LESSON, "check-zeros-code", source=source)


def with_text(source: str) -> list[dict]:
    return replaced(LESSON, "the-claim", source=source)


def without(id: str) -> list[dict]:
    return [cell for cell in LESSON if cell["id"] != id]


SPOILED = [
    (rules.stays_below_one_megabyte, with_output(printed("x" * 1_000_000))),
    (rules.was_run_from_top_to_bottom, replaced(LESSON, "run-zeros", execution_count=9)),
    (rules.shows_no_unintended_error, with_output({**printed("careful"), "name": "stderr"})),
    (rules.shows_no_unintended_error, with_output(raised("ValueError", "no"))),
    (rules.shows_no_unintended_error, replaced(LESSON, "the-snippet", outputs=[])),
    (rules.names_no_place_of_this_machine, with_output(printed("saved /home/ann/model.bin"))),
    (rules.names_no_place_of_this_machine, with_output(printed("saved C:\\course\\model.bin"))),
    (
        rules.names_no_place_of_this_machine,
        with_output(raised("OSError", "\x1b[32m~/course/x.py:3")),
    ),
    (rules.gives_cells_lasting_names, replaced(LESSON, "summary", id="5f3759df")),
    (
        rules.gives_cells_lasting_names,
        replaced(LESSON, "summary", id="16fd2706-8baf-433b-82eb-8c7fada847da"),
    ),
    (rules.gives_cells_lasting_names, replaced(LESSON, "summary", id="")),
    (rules.gives_cells_lasting_names, replaced(LESSON, "summary", id="quiz")),
    (rules.is_plain_python, with_code("!ls")),
    (rules.is_plain_python, with_code("%matplotlib inline")),
    (rules.is_plain_python, with_code("")),
    (rules.hides_no_errors, with_code("try:\n    f()\nexcept ValueError:\n    pass")),
    (rules.leaves_the_machine_alone, with_code("sys.path.append('..')")),
    (rules.leaves_the_machine_alone, with_code("from os import chdir")),
    (rules.leaves_the_machine_alone, with_code("import subprocess")),
    (rules.stays_off_the_network, with_code("import urllib.request")),
    (rules.stays_off_the_network, with_code("data = datasets.fetch_openml('mnist')")),
    (rules.stays_off_the_network, with_code("data = pd.read_csv('https://example.org/x.csv')")),
    (rules.seeds_no_global_generator, with_code("np.random.seed(0)")),
    (rules.seeds_no_global_generator, with_code("torch.manual_seed(0)")),
    (rules.shows_progress_as_it_ended, with_code("from tqdm.auto import tqdm")),
    (rules.shows_progress_as_it_ended, with_code("import tqdm")),
    (rules.shows_progress_as_it_ended, with_output(printed(f"nets: 1/3 ██████▋{' ' * 13}"))),
    (rules.shows_progress_as_it_ended, with_output(printed(f"nets: 3/3 {'█' * 20}error 0.1"))),
    (rules.describes_its_plots, with_output(picture(alt=""))),
    (rules.describes_its_plots, with_output({**picture(), "metadata": {}})),
    (
        rules.describes_its_plots,
        with_output({**picture(), "metadata": {"image/png": {"alt": "A."}}}),
    ),
    (rules.describes_its_images, with_text("![](crossing.png)")),
    (rules.describes_its_images, with_text('<img src="crossing.png">')),
    (rules.describes_its_images, with_text('<img alt="" src="crossing.png">')),
    (rules.is_plain_markdown, with_text("See {ref}`zeros` above.")),
    (rules.is_plain_markdown, with_text("```{note}\nLook.\n```")),
    (rules.is_plain_markdown, with_text(":::{note}\nLook.\n:::")),
    (rules.is_plain_markdown, with_text("(zeros)=\n## Zeros")),
    (rules.is_plain_markdown, with_text("$x \approx 2$")),
    (rules.links_lead_somewhere, with_text("[L0](00_nowhere.ipynb#start)")),
    (rules.links_lead_somewhere, with_text("[L0](/notebooks/03_choosing_lambda.ipynb)")),
    (rules.links_lead_somewhere, with_text('<a href="00_nowhere.ipynb">L0</a>')),
    (rules.reads_its_numbers_off_its_outputs, spoiled("explain-zeros", "2.5 %", "2.6 %")),
    (
        rules.reads_its_numbers_off_its_outputs,
        with_output(printed("0.025 and 3 and 2953 and -12.5")),
    ),
    (rules.starts_with_its_title, spoiled("title", "# 03", "# 04")),
    (rules.starts_with_its_title, without("title")),
    (rules.starts_with_its_title, spoiled("quiz", "## Quiz", "# Quiz")),
    (rules.has_a_card, spoiled("title", "After this lesson", "Soon")),
    (rules.has_a_card, spoiled("title", "20 minutes", "short")),
    (rules.has_a_card, spoiled("title", "Prerequisites", "Before")),
    (rules.has_a_card, spoiled("title", r"\(02_l1_from_scratch.ipynb\)", "")),
    (rules.imports_in_its_first_code_cell, spoiled("imports", "(?s).+", "n = 3")),
    (rules.imports_in_its_first_code_cell, with_code("import torch")),
    (rules.imports_in_its_first_code_cell, with_code("from minilib.linear import *")),
    (rules.predicts_runs_explains_checks, without("predict-zeros")),
    (rules.predicts_runs_explains_checks, without("run-zeros")),
    (rules.predicts_runs_explains_checks, without("explain-zeros")),
    (rules.predicts_runs_explains_checks, without("check-zeros")),
    (
        rules.predicts_runs_explains_checks,
        [*LESSON, markdown("more", "## And now?\n\n**Predict.** More?")],
    ),
    (rules.shows_a_picture, without("main-figure")),
    (rules.sums_up_in_a_table, without("summary")),
    (rules.sums_up_in_a_table, spoiled("summary", r"\|", "")),
    (rules.asks_three_questions, without("quiz")),
    (rules.asks_three_questions, spoiled("quiz", "(?s)3. Which.*", "")),
    (rules.asks_three_questions, spoiled("quiz", "</?summary>", "")),
    (rules.cites_its_sources, without("references")),
    (rules.cites_its_sources, spoiled("references", "10.1111", "unknown")),
    (rules.leads_to_its_exercises, without("exercises")),
    (rules.leads_to_its_exercises, spoiled("exercises", "03_choosing", "02_choosing")),
]


def complaints(rule, path):
    return "\n".join(rule(read(path)))


def test_the_lessons_are_the_topics_of_the_course():
    assert sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb")) == sorted(TOPICS)


@pytest.mark.parametrize(
    ("path", "rule"),
    [pytest.param(p, r, id=f"{p.relative_to(ROOT).as_posix()}-{r.__name__}") for p, r in COMMITTED],
)
def test_a_committed_notebook_keeps_the_rule(path, rule):
    assert not (found := complaints(rule, path)), f"{path}\n{found}"


@pytest.mark.parametrize("rule", NOTEBOOK_RULES + LESSON_RULES, ids=lambda rule: rule.__name__)
def test_the_model_lesson_keeps_the_rule(tmp_path, rule):
    path = write_lesson(tmp_path)
    assert not (found := complaints(rule, path)), f"{path}\n{found}"


@pytest.mark.parametrize(
    ("rule", "cells"),
    [pytest.param(r, c, id=f"{n}-{r.__name__}") for n, (r, c) in enumerate(SPOILED)],
)
def test_a_rule_complains_about_a_spoiled_lesson(tmp_path, rule, cells):
    assert list(rule(read(write_lesson(tmp_path, cells))))


def test_another_kernel_is_refused(tmp_path):
    path = write_lesson(tmp_path)
    path.write_text(path.read_text("utf-8").replace('"python3"', '"my-env"'), "utf-8")
    assert list(rules.runs_on_the_kernel_python3(read(path)))


def test_a_notebook_without_outputs_is_refused(tmp_path):
    bare = [{**cell, "outputs": []} if "outputs" in cell else cell for cell in LESSON]
    (complaint,) = rules.was_run_from_top_to_bottom(read(write_lesson(tmp_path, bare)))
    assert "no outputs" in complaint


def print_inside():
    for k in progress(range(3), "networks"):
        print(k)


def put_one_bar_into_another():
    for _ in progress(range(3), "networks"):
        list(progress(range(2), "epochs"))


@pytest.mark.parametrize("loop", [print_inside, put_one_bar_into_another])
def test_what_spoils_a_progress_bar_is_found(tmp_path, capsys, loop):
    loop()
    (output,) = whole([printed(capsys.readouterr().out)])
    path = write_lesson(tmp_path, with_output(output))
    assert list(rules.shows_progress_as_it_ended(read(path)))


def test_a_progress_bar_between_other_lines_is_fine(tmp_path, capsys):
    print("first")
    list(progress(range(3), "networks"))
    print("last")
    (output,) = whole([printed(capsys.readouterr().out)])
    path = write_lesson(tmp_path, with_output(output))
    assert not list(rules.shows_progress_as_it_ended(read(path)))


def test_every_rule_is_shown_to_complain():
    shown = {rule for rule, _ in SPOILED} | {rules.runs_on_the_kernel_python3}
    assert shown == {*NOTEBOOK_RULES, *LESSON_RULES}


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("from 2,953 to 1\u202f640 bytes", ["2953", "1640"]),
        ("falls by \u221212.5 points, then +3.", ["-12.5", "3"]),
        ("2.5 % of 40x and 3\u20135 or 1,2", ["2.5", "40", "3", "5", "1", "2"]),
        ("agrees to 1e-12 (3.0e+2)", ["1E-12", "3.0E+2"]),
        ("$n = 5$, `7`, ``8 ` 9``, $$\n11\n$$", []),
        ("```\n12\n```\n1. first\n2) second\n## 3. Third", []),
        ("L1 and int8, 5-fold, 2.5-fold, 2,953-byte, 28x28, 2D, the 3rd LeNet-300-100", []),
        ("lesson 03, lessons 1 to 3, [02 \u00b7 L1](02_l1.ipynb), [here](https://a.org/7)", []),
        ("(1996), (Han et al. 2015, section), Hinton et al. 2015, arXiv:1503.02531", []),
        ("after 2000 steps", ["2000"]),
        ("doi:10.1111/j.2517 and https://doi.org/10.1111/j.2517", []),
        ("one half of all three", []),
    ],
)
def test_the_numbers_of_a_text_are_its_results(text, numbers):
    cell = Cell("id", "markdown", text, {}, [], None)
    assert [str(number) for _, number in rules.numbers_in_prose(cell)] == numbers


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("error 2.50%", "2.5"),
        ("2,953 bytes", "2953"),
        ("sizes 2,953", "953"),
        ("[ 0.  -0.3]", "-0.3"),
        ("3.0e+02", "300"),
        ("layer 784-300", "300"),
        ("\x1b[31m7\x1b[0m", "7"),
    ],
)
def test_an_output_prints_the_number(text, number):
    assert number in {f"{value.normalize():f}" for value in rules.numbers_printed(text)}


def test_cells_above_count_and_cells_below_do_not(tmp_path):
    first, second = code("a-run", "print(5)", printed("5")), markdown("b-text", "5", "reads-output")
    rule = rules.reads_its_numbers_off_its_outputs
    assert not list(rule(read(write_lesson(tmp_path, [first, second]))))
    assert list(rule(read(write_lesson(tmp_path, [second, first]))))
