"""Figures of the course: one look, small files, and an alternative text for each.

A lesson calls ``course_style()`` once, in its first code cell, and ends each plot with
``show(fig, alt)``. Importing this module changes nothing.
"""

import base64
import io
from dataclasses import dataclass

import matplotlib.pyplot as plt
from cycler import cycler
from IPython.display import display
from matplotlib.figure import Figure
from PIL import Image

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""The colour-blind safe colours of Okabe and Ito, without their yellow: too pale on white.

Source: https://jfly.uni-koeln.de/color/
"""

MARKERS = ("o", "s", "^", "D", "v", "P", "X")
"""One marker for each colour, so that a line is known in grey print, too."""


def course_style() -> None:
    """Give all later figures the look of the course.

    Each line gets a colour and a marker of its own. Every point is marked: to a curve of
    more than some twenty points give ``markevery=0.05``. Over an image the grid is in the
    way: ``ax.grid(False)``.
    """
    plt.rcParams.update(
        {
            "axes.prop_cycle": cycler(color=COLORS, marker=MARKERS),
            "axes.axisbelow": True,
            "axes.grid": True,
            "axes.spines.right": False,
            "axes.spines.top": False,
            "figure.constrained_layout.use": True,  # labels stay inside the picture
            "figure.dpi": 100,
            "figure.figsize": (6.4, 4.0),
            "font.size": 11,
            "grid.color": "#DDDDDD",
            "legend.frameon": False,
            "lines.linewidth": 1.8,
            "lines.markersize": 5,
        }
    )


def palette_png(fig: Figure, dpi: int = 100) -> bytes:
    """Write a figure as a PNG with a palette: a few times smaller than full colour.

    The background is opaque white, so that the text can be read on a dark page. The figure
    is closed.

    Parameters
    ----------
    fig : matplotlib.figure.Figure
        The figure to write.
    dpi : int
        Pixels per inch.

    Returns
    -------
    bytes
        The file: the same for the same figure, because it holds no date.

    Raises
    ------
    ValueError
        If `fig` is no figure.
    """
    if not isinstance(fig, Figure):
        raise ValueError(
            f"fig is a matplotlib Figure, got {type(fig).__name__}. "
            "Write fig, ax = plt.subplots() and give fig; of an Axes, give ax.figure."
        )
    full, small = io.BytesIO(), io.BytesIO()
    try:
        fig.savefig(full, format="png", dpi=dpi, facecolor="white")
    finally:
        plt.close(fig)  # else the notebook would show it a second time
    # of Pillow's methods, this one distorts no colour by much, and leaves white as it is
    image = Image.open(full).convert("RGB")
    image = image.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    image.save(small, format="png", optimize=True)
    return small.getvalue()


@dataclass(frozen=True)
class Picture:
    """A PNG and the text that stands for it, as notebooks want them.

    Attributes
    ----------
    png : bytes
        The file.
    alt : str
        What the picture shows, in a sentence or two.
    """

    png: bytes
    alt: str

    def __repr__(self) -> str:
        """Let a terminal show the text."""
        return self.alt

    def _repr_mimebundle_(self, **_) -> tuple[dict, dict]:
        png = base64.b64encode(self.png).decode("ascii")
        return {"image/png": png, "text/plain": self.alt}, {"image/png": {"alt": self.alt}}


def check_alt(alt: str) -> str:
    """Return the alternative text, or refuse it.

    Parameters
    ----------
    alt : str
        What a picture shows.

    Returns
    -------
    str
        The text, unchanged.

    Raises
    ------
    ValueError
        If it is empty or no text.
    """
    if not isinstance(alt, str) or not alt.strip():
        raise ValueError(
            f"alt is {alt!r}, but each figure needs an alternative text: a sentence or two that "
            "say what it shows to a reader who cannot see it. For example: 'Test error against "
            "sparsity: flat at 2 % up to 0.9, then steeply rising.'"
        )
    return alt


def show(fig: Figure, alt: str) -> None:
    """Display a figure once, as a small PNG with an alternative text, and close it.

    A terminal, and the comparison of stored outputs, get the text.

    Parameters
    ----------
    fig : matplotlib.figure.Figure
        The figure to show.
    alt : str
        What it shows, in a sentence or two. Rounded figures only: the text is compared when
        the notebook is tested.

    Raises
    ------
    ValueError
        If `alt` is empty or `fig` is no figure.
    """
    check_alt(alt)
    display(Picture(palette_png(fig), alt))
