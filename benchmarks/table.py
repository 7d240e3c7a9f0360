"""Write a result down as README.md shows it."""

from collections.abc import Sequence


def markdown(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table in Markdown.

    Parameters
    ----------
    heading : sequence of str
        Names of the columns.
    rows : sequence of sequences of str
        One cell for each column.

    Returns
    -------
    str
        Ends with an empty line, so that another table can follow.
    """
    rule = ["---"] * len(heading)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (heading, rule, *rows))
