import base64
import io
import re

import ipywidgets
import matplotlib
import pytest
from PIL import Image

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from minilib.widgets import frames

VALUES = [0.1, 1.0, 10.0]


def draw(value):
    fig, ax = plt.subplots(figsize=(3, 2))
    ax.plot([0, value])
    return fig


def alt(value):
    return f"A line from 0 to {value:g}, < & > 1."


def slider_of(values=VALUES, **options):
    return frames(draw, values, **{"label": "lam", "alt": alt} | options)


def contents(box):
    return [frame.value for frame in box.children[1].children]


def pngs(box):
    return [
        base64.b64decode(re.search(r"data:image/png;base64,([^\"]+)", frame)[1])
        for frame in contents(box)
    ]


def test_each_value_has_its_own_frame_in_the_order_of_the_slider():
    box = slider_of()
    slider, stack = box.children
    assert [text for text, _ in slider.options] == ["0.1", "1", "10"]
    assert len(stack.children) == len(set(pngs(box))) == 3


def test_the_slider_chooses_the_frame_in_the_browser_without_a_kernel():
    box = slider_of()
    slider, stack = box.children
    links = [
        widget
        for widget in ipywidgets.Widget.get_manager_state()["state"].values()
        if widget["model_name"] == "LinkModel"
    ]
    ends = (
        [f"IPY_MODEL_{slider.model_id}", "index"],
        [f"IPY_MODEL_{stack.model_id}", "selected_index"],
    )
    assert ends in [(link["state"]["source"], link["state"]["target"]) for link in links]


def test_slider_and_frames_begin_at_start():
    slider, stack = slider_of(start=2).children
    assert slider.index == stack.selected_index == 2


def test_every_frame_holds_its_sentence_as_alternative_text_and_visibly():
    first = contents(slider_of())[0]
    text = "A line from 0 to 0.1, &lt; &amp; &gt; 1."
    assert f'alt="{text}"' in first
    assert f">{text}</p>" in first


def test_a_frame_reserves_the_height_of_its_picture():
    frame = contents(slider_of(width=450))[0]
    assert 'width="450" height="300"' in frame


def test_frames_are_palette_pngs_of_the_asked_resolution():
    image = Image.open(io.BytesIO(pngs(slider_of(dpi=50))[0]))
    assert (image.mode, image.size) == ("P", (150, 100))


def test_without_widgets_the_first_shown_frame_and_a_sentence_stand_in():
    box = slider_of(start=1)
    data, metadata = box._repr_mimebundle_()
    text = (
        "A slider for lam with 3 frames, from 0.1 to 10. Shown: lam = 1. "
        "A line from 0 to 1, < & > 1."
    )
    assert base64.b64decode(data["image/png"]) == pngs(box)[1]
    assert data["text/plain"] == metadata["image/png"]["alt"] == text
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == box.model_id


def test_given_labels_replace_the_numbers():
    slider, _ = slider_of(labels=["low", "middle", "high"]).children
    assert [text for text, _ in slider.options] == ["low", "middle", "high"]


def test_values_that_are_no_numbers_label_themselves():
    box = frames(lambda name: draw(len(name)), ["L1", "ridge"], label="penalty", alt=str)
    assert [text for text, _ in box.children[0].options] == ["L1", "ridge"]


def test_no_figure_stays_open():
    slider_of()
    assert plt.get_fignums() == []


def test_a_slider_of_one_value_is_refused():
    with pytest.raises(ValueError, match=r"at least 2 values, got 1: \[0\.1\]"):
        slider_of([0.1])


@pytest.mark.parametrize("start", [-1, 3])
def test_a_start_outside_the_values_is_refused(start):
    with pytest.raises(ValueError, match=f"from 0 to 2, got {start}"):
        slider_of(start=start)


def test_labels_of_another_number_than_the_values_are_refused():
    with pytest.raises(ValueError, match="2 texts for 3 values"):
        slider_of(labels=["low", "high"])


def test_a_draw_that_returns_no_figure_is_refused_with_what_to_write():
    with pytest.raises(ValueError, match=r"draw\(0\.1\) returned NoneType.*return fig"):
        frames(lambda value: None, VALUES, label="lam", alt=alt)


def test_a_frame_without_a_sentence_is_refused():
    with pytest.raises(ValueError, match="alternative text"):
        slider_of(alt=lambda value: "")


def test_a_slider_without_a_label_is_refused():
    with pytest.raises(ValueError, match="label"):
        slider_of(label="")


def test_a_stored_slider_shows_no_broken_link_in_lab_because_it_needs_no_kernel():
    box = slider_of()
    assert "frames" in box._dom_classes
    assert ".frames .jupyter-widgets-disconnected::before" in contents(box)[0]
