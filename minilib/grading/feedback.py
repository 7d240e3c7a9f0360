"""A page for each submission: each task, its points, the checker's sentence, and what to read.

It shows no seed, no input that was not in the sentence, and no answer.
"""

import html
import re
from pathlib import Path
from string import Template

from minilib.grading.policy import Counted
from minilib.grading.rebuild import is_check
from minilib.grading.results import write_whole

PAGE = Template("""\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$assignment, $student: $points of $most points</title>
<style>
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem;
       color: #1a1a1a; background: #fff }
h1 { font-size: 1.4rem; margin-bottom: 0 }
section { border-left: .3rem solid #0072b2; padding: .1rem 1rem; margin: 1.2rem 0 }
section.lost { border-color: #d55e00 }
h2 { font-size: 1.1rem; margin: .3rem 0 }
p { margin: .4rem 0 }
.sentence { white-space: pre-wrap; overflow-wrap: anywhere }
small, .notes { color: #555 }
</style>
<h1>$assignment</h1>
<p>$student · handed in $submitted UTC$attempts</p>
<p><strong>$points of $most points</strong>$late</p>
$tasks
$notes
</html>
""")

TASK = Template("""\
<section class="$state">
<h2>$sign $title <small>$points of $most points</small></h2>
<p class="sentence">$sentence</p>
$reading</section>
""")


def write_feedback(course: Path, one: Counted) -> Path:
    """Write the page of the attempt that counts.

    Parameters
    ----------
    course : Path
        The page goes to marks/STUDENT/ASSIGNMENT.html below it.
    one : Counted
        The attempt.

    Returns
    -------
    Path
        The page.
    """
    place = course / "marks" / one.result.student / f"{one.result.assignment}.html"
    write_whole(place, feedback_page(one))
    return place


def feedback_page(one: Counted) -> str:
    """Make the page of the attempt that counts.

    Parameters
    ----------
    one : Counted
        The attempt.

    Returns
    -------
    str
        HTML that needs nothing else.
    """
    result = one.result
    titles = _titles(result.examined.notebook["cells"])
    tasks = [
        TASK.substitute(
            state="full" if mark.points == mark.most else "lost",
            sign="✓" if mark.points == mark.most else "✗",
            title=html.escape(titles.get(mark.cell, mark.task)),
            points=f"{mark.points:g}",
            most=f"{mark.most:g}",
            sentence=html.escape(mark.sentence[:1].upper() + mark.sentence[1:]),
            reading=_reading(result.assignment, mark.points < mark.most),
        )
        for mark in result.examined.marks
    ]
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in result.examined.notes)
    late = f", after {one.penalty:g} for being late" if one.penalty else ""
    attempts = f" · the one that counts of {one.attempts} attempts" if one.attempts > 1 else ""
    return PAGE.substitute(
        assignment=html.escape(result.assignment),
        student=html.escape(result.student),
        submitted=f"{result.submitted:%Y-%m-%d %H:%M}",
        attempts=attempts,
        points=f"{one.points:g}",
        most=f"{result.most:g}",
        late=late,
        tasks="".join(tasks),
        notes=f'<div class="notes"><h2>Notes</h2><ul>{notes}</ul></div>' if notes else "",
    )


def _titles(cells: list[dict]) -> dict[str, str]:
    """Name each check cell by the last heading above it."""
    titles, title = {}, ""
    for cell in cells:
        if cell["cell_type"] == "markdown":
            headings = re.findall(r"(?m)^#+ +(.+?) *★? *$", cell["source"])
            title = headings[-1] if headings else title
        if is_check(cell) and title:
            titles[cell["id"]] = title
    return titles


def _reading(assignment: str, lost: bool) -> str:
    if not lost:
        return ""
    number = html.escape(assignment.partition("_")[0])
    lesson = html.escape(f"notebooks/{assignment}.ipynb")
    return (
        f"<p><small>To read: the three hints of this task in the exercise, then lesson {number} "
        f"(<code>{lesson}</code>). Your own copy checks as often as you like.</small></p>\n"
    )
