"""Sliders that need no kernel: the frames are drawn beforehand and change in the browser."""

import base64
import html
import struct
from collections.abc import Callable, Sequence
from numbers import Real

import ipywidgets
from matplotlib.figure import Figure

from minilib.plots import Picture, check_alt, palette_png

# JupyterLab puts a broken-link sign before each widget that has no kernel: these need none.
_CALM = (
    "<style>.frames.jupyter-widgets-disconnected::before, "
    ".frames .jupyter-widgets-disconnected::before {content: none}</style>"
)


class FrameSlider(ipywidgets.VBox):
    """A slider over frames; where no widgets are shown, one frame and its text stand in.

    Parameters
    ----------
    children : sequence of ipywidgets.Widget
        The slider and the frames.
    fallback : minilib.plots.Picture
        What the stored output shows without widgets.
    """

    def __init__(self, children: Sequence[ipywidgets.Widget], fallback: Picture):
        super().__init__(children)
        self.add_class("frames")
        self._fallback = fallback

    def _repr_mimebundle_(self, **_) -> tuple[dict, dict]:
        data, metadata = self._fallback._repr_mimebundle_()
        return super()._repr_mimebundle_() | data, metadata


def _frame(png: bytes, alt: str, width: int) -> str:
    """Return the HTML of one frame and the visible text under it.

    An ``ipywidgets.Image`` cannot hold an alternative text, an ``ipywidgets.HTML`` can. The
    text below the picture is hidden from screen readers, or they would say it twice.
    """
    columns, rows = struct.unpack(">II", png[16:24])  # a PNG's first chunk: its size in pixels
    source = base64.b64encode(png).decode("ascii")
    text = html.escape(alt)
    return (
        f'<img class="widget-image" src="data:image/png;base64,{source}" alt="{text}" '
        f'width="{width}" height="{round(width * rows / columns)}" '
        'style="max-width: 100%; height: auto">'
        f'<p aria-hidden="true">{text}</p>{_CALM}'
    )


def _picture(fig: Figure, value: float, dpi: int, alt: str) -> Picture:
    if not isinstance(fig, Figure):
        raise ValueError(
            f"draw({value!r}) returned {type(fig).__name__}, not a figure. Begin it with "
            "fig, ax = plt.subplots() and end it with return fig."
        )
    return Picture(palette_png(fig, dpi), check_alt(alt))


def frames(
    draw: Callable[[float], Figure],
    values: Sequence[float],
    *,
    label: str,
    alt: Callable[[float], str],
    start: int = 0,
    labels: Sequence[str] | None = None,
    dpi: int = 100,
    width: int = 560,
) -> FrameSlider:
    """Draw a figure for each value and put them behind a slider.

    The link between slider and figures runs in the browser: it works in JupyterLab, and from
    the stored state on a page that has no kernel. All frames are stored in the notebook, some
    10 kB each: 9 to 21 of them, in one or two sliders, are enough for a lesson.

    Parameters
    ----------
    draw : callable
        Takes a value, returns a new figure. Fix the limits of the axes, or they will jump.
    values : sequence
        At least 2 values, in the order of the slider.
    label : str
        Name of what the slider changes, with its unit.
    alt : callable
        Takes a value, returns a sentence that says what its frame shows. It stands below the
        frame and is its alternative text.
    start : int
        Position of the value that is shown first, from 0.
    labels : sequence of str, optional
        Texts for the values; without them, numbers are written in short.
    dpi : int
        Pixels per inch of the frames.
    width : int
        Width of the frames on the page, in CSS pixels.

    Returns
    -------
    FrameSlider
        Put it last in a cell. Its PNG and text/plain stand in where widgets are not shown.

    Raises
    ------
    ValueError
        If there are fewer than 2 values, `start` is no position among them, `labels` has
        another length, `draw` returns no figure or `alt` no text.
    """
    values = list(values)
    if len(values) < 2:
        raise ValueError(f"A slider needs at least 2 values, got {len(values)}: {values!r}.")
    if not 0 <= start < len(values):
        raise ValueError(
            f"start is a position from 0 to {len(values) - 1}, got {start!r}. "
            "To start at the value v write start=values.index(v)."
        )
    if labels is None:
        labels = [f"{value:g}" if isinstance(value, Real) else str(value) for value in values]
    if len(labels) != len(values):
        raise ValueError(
            f"labels has {len(labels)} texts for {len(values)} values; give one for each."
        )
    if not label.strip():
        raise ValueError("label is empty; name what the slider changes, with its unit.")

    pictures = [_picture(draw(value), value, dpi, alt(value)) for value in values]
    wide = ipywidgets.Layout(width=f"{width}px", max_width="100%")
    stack = ipywidgets.Stack(
        [
            ipywidgets.HTML(_frame(picture.png, picture.alt, width), layout=wide)
            for picture in pictures
        ],
        selected_index=start,
    )
    slider = ipywidgets.SelectionSlider(
        options=[(text, position) for position, text in enumerate(labels)],
        index=start,
        description=label,
        layout=wide,
        style={"description_width": "initial"},
    )
    ipywidgets.jslink((slider, "index"), (stack, "selected_index"))
    text = (
        f"A slider for {label} with {len(values)} frames, from {labels[0]} to {labels[-1]}. "
        f"Shown: {label} = {labels[start]}. {pictures[start].alt}"
    )
    return FrameSlider([slider, stack], Picture(pictures[start].png, text))
