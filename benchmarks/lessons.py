"""How long each lesson runs: the table that `make lessons` writes into README.md."""

import re
from pathlib import Path

from benchmarks.table import markdown

README = Path(__file__).parents[1] / "README.md"
ROW = re.compile(r"^\| \[(\d\d)\]\([^)]*\) \| (.+?) \| .* \| (\d+) \| (\d+) \|$", re.MULTILINE)


def times(readme: str) -> str:
    """Write the table of seconds from the README's table of lessons."""
    rows = [[number, title, seconds] for number, title, _, seconds in ROW.findall(readme)]
    total = sum(int(seconds) for _, _, seconds in rows)
    return markdown(["lesson", "title", "seconds to run"], [*rows, ["all", "", str(total)]])


def report() -> str:
    """Give the section of this part."""
    said = "As `make lessons` measured them last, perhaps on another day and machine."
    return f"{said}\n\n{times(README.read_text(encoding='utf-8'))}"
