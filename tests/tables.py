"""Tables on which paths and cross-validation are tried."""

from functools import cache

import numpy as np
from hypothesis import strategies as st

from minilib.datasets import load_breast_cancer, load_diabetes
from minilib.linear import Scaling

TABLES = [load_diabetes, load_breast_cancer]
rngs = st.integers(0, 2**32 - 1).map(np.random.default_rng)


@cache
def standardized(load):
    table = load()
    return Scaling.of(table.X).apply(table.X), table.y - table.y.mean()


def random_table(rng, n=20, p=4):
    return rng.standard_normal((n, p)), rng.standard_normal(n)


def centred_table(rng, n=20, p=4):
    X, y = random_table(rng, n, p)
    return Scaling.of(X).apply(X), y - y.mean()
