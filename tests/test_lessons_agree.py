"""A lesson may derive a function by hand; under the same name, it must be the library's."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from minilib.linear import soft_threshold
from tests.library import public_names, public_objects
from tests.notebooks import TOPICS, definitions, lesson
from tests.specimens import code, write

Rng = np.random.Generator


@dataclass(frozen=True)
class Agreement:
    """What to call both functions with, and what of the library's result the lesson returns."""

    arguments: Callable[[Rng], tuple]
    part: Callable[[Any], Any] = lambda result: result


def _table_and_weights(rng: Rng) -> tuple:
    return rng.normal(size=(30, 4)), rng.normal(size=30), rng.normal(size=4), 0.3


AGREEMENTS = {
    ("01_l2_from_scratch", "gradient"): Agreement(_table_and_weights),
    ("02_l1_from_scratch", "soft_threshold"): Agreement(lambda rng: (rng.normal(size=50), 0.7)),
}


def compare(derived: Callable, imported: Callable, agreement: Agreement) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        arguments = agreement.arguments(rng)
        expected = agreement.part(imported(*arguments))
        np.testing.assert_allclose(derived(*arguments), expected, rtol=1e-9, atol=1e-12)


def unlisted(path) -> list[str]:
    """Names that a lesson and the library define, and that nobody compares."""
    shared = definitions(path).keys() & public_names()
    return sorted(name for name in shared if (path.stem, name) not in AGREEMENTS)


@pytest.mark.parametrize(("topic", "name"), AGREEMENTS)
def test_lesson_and_library_agree(topic, name):
    (imported,) = [o for full, o in public_objects().items() if full.endswith(f".{name}")]
    compare(definitions(lesson(topic))[name], imported, AGREEMENTS[topic, name])


@pytest.mark.parametrize("topic", TOPICS)
def test_every_name_defined_twice_is_compared(topic):
    names = unlisted(lesson(topic))
    assert not names, f"{topic} redefines {names}; add them to AGREEMENTS or rename them"


SHRINK = "def soft_threshold(v: Array, t):\n    return np.sign(v) * np.maximum(np.abs(v) - {}, 0)"
IMPORTS = code("imports", "import numpy as np")
ADOPT = code("adopt", "from minilib.linear import soft_threshold")


def test_a_lesson_that_derives_the_same_agrees(tmp_path):
    cells = [IMPORTS, code("derive", SHRINK.format("t")), ADOPT]
    derived = definitions(write(tmp_path / "02_l1_from_scratch.ipynb", cells))["soft_threshold"]
    assert derived is not soft_threshold
    compare(derived, soft_threshold, AGREEMENTS["02_l1_from_scratch", "soft_threshold"])


def test_a_changed_formula_is_found(tmp_path):
    cells = [IMPORTS, code("derive", SHRINK.format("t / 2")), ADOPT]
    derived = definitions(write(tmp_path / "02_l1_from_scratch.ipynb", cells))["soft_threshold"]
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        compare(derived, soft_threshold, AGREEMENTS["02_l1_from_scratch", "soft_threshold"])


def test_a_name_that_nobody_compares_is_found(tmp_path):
    cells = [IMPORTS, code("derive", SHRINK.format("t"))]
    assert unlisted(write(tmp_path / "03_choosing_lambda.ipynb", cells)) == ["soft_threshold"]
    assert unlisted(write(tmp_path / "02_l1_from_scratch.ipynb", cells)) == []
