import re
import sys

import pytest

from minilib.progress import progress


def test_the_steps_come_through_one_by_one_and_in_order():
    asked = []

    def steps():
        for step in "abc":
            asked.append(step)
            yield step

    assert [(step, len(asked)) for step in progress(steps(), "letters")] == [
        ("a", 1),
        ("b", 2),
        ("c", 3),
    ]


@pytest.mark.parametrize("n", [1, 3, 12])
def test_the_text_ends_with_all_steps_done_on_stdout_and_never_names_a_time(capsys, n):
    for _ in progress(range(n), "networks"):
        pass
    told = capsys.readouterr()
    first, *states = [state.strip() for state in told.out.split("\r") if state.strip()]
    assert first.startswith(f"networks: 0/{n}")
    assert states[-1] == f"networks: {n}/{n} " + 20 * "█"
    assert all(re.fullmatch(rf"networks: \d+/{n}[^\w:/]*", state) for state in (first, *states))
    assert told.err == ""


def test_a_bar_writes_to_the_stdout_of_its_start_not_of_the_import(capsys, monkeypatch, tmp_path):
    with (tmp_path / "told.txt").open("w", encoding="utf-8") as file:
        monkeypatch.setattr(sys, "stdout", file)
        list(progress(range(2), "rounds"))
    assert "rounds: 2/2" in (tmp_path / "told.txt").read_text(encoding="utf-8")


def test_a_loop_that_is_left_says_how_far_it_came(capsys):
    for step in progress(range(5), "networks"):
        assert step == 0
        break
    assert "5/5" not in capsys.readouterr().out
