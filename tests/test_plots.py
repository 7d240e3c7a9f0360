import io
import os
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from minilib import plots
from minilib.plots import COLORS, MARKERS, Picture, course_style, palette_png, show


@pytest.fixture(autouse=True)
def _own_style():
    with matplotlib.rc_context():
        yield
    plt.close("all")


@pytest.fixture
def shown(monkeypatch):
    objects = []
    monkeypatch.setattr(plots, "display", objects.append)
    return objects


def parabola():
    fig, ax = plt.subplots()
    ax.plot(np.arange(10), np.arange(10) ** 2)
    ax.set(xlabel="x", ylabel="square")
    return fig


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def test_the_same_figure_gives_the_same_bytes():
    assert palette_png(parabola()) == palette_png(parabola())


def test_a_figure_becomes_a_palette_without_a_date():
    image = Image.open(io.BytesIO(palette_png(parabola())))
    assert image.mode == "P"
    assert image.text == {}


def test_a_palette_makes_the_file_less_than_half_as_big():
    full = io.BytesIO()
    parabola().savefig(full, format="png", dpi=100)
    assert len(palette_png(parabola(), dpi=100)) < len(full.getvalue()) / 2


def test_a_pale_band_keeps_the_colour_of_its_line():
    course_style()
    fig, ax = plt.subplots()
    x = np.arange(5)
    for slope, color in enumerate(COLORS[:5], start=1):
        ax.plot(x, slope * x, color=color, label=f"slope {slope}")
        ax.fill_between(x, slope * x - 1, slope * x + 1, color=color, alpha=0.2)
    ax.legend()
    full = io.BytesIO()
    fig.savefig(full, format="png", dpi=100, facecolor="white")
    exact, small = (
        np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), dtype=int)
        for png in (full.getvalue(), palette_png(fig))
    )
    for color in COLORS[:5]:
        pale = np.round(255 * (0.8 + 0.2 * np.array(to_rgb(color))))
        band = (np.abs(exact - pale) <= 1).all(axis=2)
        assert band.sum() > 1_000
        assert np.median(np.abs(small[band] - pale).max(axis=1)) <= 16


def test_no_pixel_leaves_its_colour_by_more_than_a_sixth_of_the_range():
    course_style()
    fig, ax = plt.subplots()
    x = np.linspace(0, 1, 15)
    for power in range(1, 6):
        ax.plot(x, x**power, label=f"$x^{power}$")
    ax.legend()
    full = io.BytesIO()
    fig.savefig(full, format="png", dpi=100)
    assert abs(pixels(full.getvalue()) - pixels(palette_png(fig))).max() <= 42


def test_text_is_black_on_opaque_white_even_when_matplotlib_draws_on_nothing():
    plt.rcParams.update({"figure.facecolor": "none", "savefig.transparent": True})
    picture = pixels(palette_png(parabola()))
    assert picture[0, 0].tolist() == [255, 255, 255]
    assert picture.max(axis=2).min() < 40
    assert len(np.unique(picture)) > 20  # the edges of letters are grey, so they look smooth


def test_a_written_figure_is_closed():
    palette_png(parabola())
    assert plt.get_fignums() == []


def test_a_figure_that_cannot_be_drawn_is_closed_too():
    fig = parabola()
    fig.axes[0].set_xlabel("$\\no_such_symbol$")
    with pytest.raises(ValueError, match="no_such_symbol"):
        palette_png(fig)
    assert plt.get_fignums() == []


def test_an_axes_instead_of_a_figure_is_refused_with_what_to_write():
    with pytest.raises(ValueError, match=r"got Axes.*give ax\.figure"):
        palette_png(parabola().axes[0])


def test_show_displays_one_picture_and_leaves_no_figure_open(shown):
    show(parabola(), "A parabola.")
    assert [picture.alt for picture in shown] == ["A parabola."]
    assert plt.get_fignums() == []


def test_the_text_stands_beside_the_png_and_in_its_metadata():
    data, metadata = Picture(b"\x89PNG", "A parabola.")._repr_mimebundle_()
    assert data == {"image/png": "iVBORw==", "text/plain": "A parabola."}
    assert metadata == {"image/png": {"alt": "A parabola."}}


def test_a_terminal_prints_the_text():
    assert repr(Picture(b"", "A parabola.")) == "A parabola."


@pytest.mark.parametrize("alt", ["", " \n", None])
def test_a_figure_without_alternative_text_is_refused_and_told_what_one_is(alt, shown):
    with pytest.raises(ValueError, match="say what it shows to a reader who cannot see it"):
        show(parabola(), alt)
    assert shown == []


def test_each_colour_has_a_marker_of_its_own():
    assert len(COLORS) == len(MARKERS) == len(set(COLORS)) == len(set(MARKERS))


def test_in_the_course_style_lines_differ_in_colour_and_in_marker():
    course_style()
    lines = [line for k in range(7) for line in plt.plot([0, 1], [k, k])]
    assert tuple(line.get_color() for line in lines) == COLORS
    assert tuple(line.get_marker() for line in lines) == MARKERS


def test_in_the_course_style_a_long_label_stays_inside_the_picture():
    course_style()
    fig, ax = plt.subplots(figsize=(4, 3))
    ax.set_ylabel("first line\nsecond line\nthird line\nfourth line", fontsize=16)
    margin = pixels(palette_png(fig))[:, 0]
    assert margin.min() == 255


def test_importing_plots_changes_no_setting_of_matplotlib():
    code = (
        "import matplotlib; before = dict(matplotlib.rcParams); import minilib.plots; "
        "assert dict(matplotlib.rcParams) == before"
    )
    env = os.environ | {"MPLBACKEND": "Agg"}
    subprocess.run([sys.executable, "-c", code], check=True, env=env)
