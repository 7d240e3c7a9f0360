r"""Newton's method on the few weights that are not zero.

The objective is that of `minilib.linear`. Let G = X'X/n and q = X'y/n; let A be the active
weights, those that are not zero, and s their signs. At the minimum

    (G_AA + l2 I) w_A = q_A - l1 s      one linear system for the active weights,
    |q_j - G_jA w_A| <= l1              and no other weight wants to leave zero.

As long as A and s stay the same, one Newton step solves the system. When they change, the inverse
of the Hessian H = G_AA + l2 I need not be computed again. If weights J join, with B = H_AJ and
the Schur complement S = H_JJ - B' H^-1 B,

    [H_AA  B   ]^-1  =  [H^-1 + H^-1 B S^-1 B' H^-1    -H^-1 B S^-1]
    [B'    H_JJ]        [-S^-1 B' H^-1                   S^-1      ]

and if weights leave, the same equation read backwards.
"""

import numpy as np

from minilib.linear import Moments, gap_of

Array = np.ndarray

CORRECTIONS = 100  # Newton steps at one lam, at most
DAMPING = 1e-9  # the Hessian's diagonal grows by this share: equal columns may be active together
AT_ONCE = 16  # weights that may join at once; or as many as are active, if these are more


class ActiveSet:
    """A place on the way down the grid: lam, the weights there, and the inverse of their Hessian.

    Of the active columns it knows, in the order they joined, the weights ``w`` and the ``signs``
    that these have or, at zero, will have; of all columns the ``correlation``.

    Parameters
    ----------
    moments : Moments
        The table.
    l1_ratio : float
        Share of L1, in (0, 1].
    lam : float
        Strength of the penalty.
    w : array of shape (p,)
        The weights to start with.
    """

    def __init__(self, moments: Moments, l1_ratio: float, lam: float, w: Array) -> None:
        self._moments, self._l1_ratio = moments, l1_ratio
        self._unit = np.finfo(float).eps * np.sqrt(moments.n)
        self.active, self.w, self.signs = np.empty(0, dtype=int), np.empty(0), np.empty(0)
        self._store = np.empty((0, moments.p))
        columns = np.flatnonzero(w)
        self._append(columns, moments.gram_rows(columns), np.sign(w[columns]))
        self.stand_at(lam, w[columns])
        self._invert(DAMPING)

    def stand_at(self, lam: float, w: Array, correlation: Array | None = None) -> None:
        """Stand at ``lam`` with the weights ``w``.

        Parameters
        ----------
        lam : float
            Strength of the penalty.
        w : array of shape (k,)
            The active weights.
        correlation : array of shape (p,), optional
            The correlations with these weights, if they are known.
        """
        self.lam, self.l1, self.l2 = lam, lam * self._l1_ratio, lam * (1 - self._l1_ratio)
        self.w = w
        self.correlation = self._correlations(w, self.l2) if correlation is None else correlation

    def foresee(self, lams: Array) -> tuple[Array, Array, Array]:
        """Follow the weights to smaller lams as if A stayed the same: for the lasso, a line.

        Parameters
        ----------
        lams : array of shape (m,)
            Where to.

        Returns
        -------
        tuple of arrays of shape (m, k), (m, p), (m,)
            Active weights, correlations and duality gaps. A weight whose sign would change is zero.
        """
        way = self._inverse @ (self._l1_ratio * self.signs + (1 - self._l1_ratio) * self.w)
        w = self.w + (self.lam - lams)[:, None] * way
        w = np.where(w * self.signs > 0, w, 0.0)
        correlations = self._correlations(w, lams[:, None] * (1 - self._l1_ratio))
        return w, correlations, self._gaps(w, correlations, lams * self._l1_ratio)

    def correct(self, allowed_gap: float, max_steps: int) -> float:
        """Take Newton steps until the gap is allowed, or hidden by rounding.

        Parameters
        ----------
        allowed_gap : float
            In the unit of y squared.
        max_steps : int
            How many steps at most.

        Returns
        -------
        float
            The gap; infinite if the steps did not get there, as rounding spoils the inverse.
        """
        if self.l2 > 0 or self._damping > DAMPING:  # the Hessian is another one at each lam
            self._invert(DAMPING)
        stopped = False
        for _ in range(min(max_steps, CORRECTIONS)):
            self._leave(self.w == 0)
            if not stopped:
                self._join()
            stopped = self._step()
            gap = self.gap
            if gap <= allowed_gap or gap <= 4 * self._rounding(np.abs(self.w)):
                return gap
        return np.inf

    @property
    def gap(self) -> float:
        """Duality gap, and what rounding may hide of it, in the unit of y squared."""
        return float(self._gaps(self.w, self.correlation, self.l1))

    @property
    def _rows(self) -> Array:  # of G, those that are active: shape (k, p)
        return self._store[: len(self.active)]

    @property
    def _slopes(self) -> Array:  # how fast the objective falls along each active weight
        return self.correlation[self.active] - self.l1 * self.signs

    def _correlations(self, w: Array, l2: float | Array) -> Array:
        """Minus the gradient of the smooth part, at w of shape (k,) or at many of shape (m, k)."""
        correlations = self._moments.xy - w @ self._rows
        if self._l1_ratio < 1:
            correlations[..., self.active] -= l2 * w
        return correlations

    def _gaps(self, w: Array, correlations: Array, l1: float | Array) -> Array:
        fit = np.vecdot(w, correlations[..., self.active])
        square = self._moments.yy - w @ self._moments.xy[self.active] - fit
        steepest, size = np.abs(correlations).max(axis=-1), np.abs(w)
        return gap_of(square, fit, size.sum(axis=-1), steepest, l1) + self._rounding(size)

    def _rounding(self, size: Array) -> Array:
        """Bound what rounding may hide of a gap: the sum of large terms can be small."""
        terms = np.sqrt(self._moments.yy) + size @ self._moments.sizes[self.active]
        return self._unit * terms**2

    def _step(self) -> bool:
        """Take the Newton step, as far as zero for each weight; say whether one came to zero."""
        slopes, direction = self._slopes, self._inverse @ self._slopes
        w = self.w + direction
        crossed = w * self.signs < 0
        w[crossed] = 0
        correlation = self._correlations(w, self.l2)
        # The objective is a parabola up to there: it falls by the way times the mean slope.
        slope_there = correlation[self.active] - self.l1 * self.signs
        fall, noise = (w - self.w) @ (slopes + slope_there) / 2, self._rounding(np.abs(w))
        if fall > noise or (fall > -noise and not crossed.any()):  # down, or there already
            self.w, self.correlation = w, correlation
            if self._damping > DAMPING:
                self._invert(self._damping / 10)
            return bool(crossed.any())
        self._search(direction, float(direction @ slopes))
        self._invert(3 * self._damping)
        return True

    def _search(self, direction: Array, slope: float) -> None:
        """Go to the minimum along a direction; each weight that turns its sign costs slope."""
        if not slope > 0:
            return
        change = direction @ self._rows[:, self.active] + self.l2 * direction
        curvature = max(float(direction @ change), 1e-12 * slope)
        turning = np.flatnonzero(direction * self.signs < 0)
        turning = turning[np.argsort(-self.w[turning] / direction[turning])]
        times = np.append(-self.w[turning] / direction[turning], np.inf)
        lost = np.append(0, np.cumsum(2 * self.l1 * np.abs(direction[turning])))
        last = int(np.argmax(curvature * times >= slope - np.append(lost[1:], 0)))
        time = min(times[last], (slope - lost[last]) / curvature)
        w = self.w + time * direction
        if time == times[last]:
            w[turning[last]] = 0
        self.signs = np.where(w == 0, self.signs, np.sign(w))
        self.stand_at(self.lam, w)

    def _join(self) -> None:
        """Let weights join that want to leave zero, and still would after the Newton step."""
        wish = np.abs(self.correlation)
        wish[self.active] = 0
        J = np.flatnonzero(wish > self.l1 * (1 + 1e-9))
        if not len(J):
            return
        J = J[np.argsort(-wish[J])[: max(AT_ONCE, len(self.active))]]
        rows, signs = self._moments.gram_rows(J), np.sign(self.correlation[J])
        B, own = self._rows[:, J], self._moments.sizes[J] ** 2
        solved = self._inverse @ B
        schur = rows[:, J] - B.T @ solved
        schur.flat[:: len(J) + 1] += self._damping * own + self.l2
        free = schur.diagonal() > 1e-6 * own
        if not free.any():  # all depend on the active columns: take one, and invert with care
            self._append(J[:1], rows[:1], signs[:1])
            return self._invert(self._damping)
        slopes = self.correlation[J] - self.l1 * signs - self._slopes @ solved
        joining = np.flatnonzero(free & (slopes * signs > 0))
        while len(joining):
            inverse = np.linalg.inv(schur[joining[:, None], joining])
            right = (inverse @ slopes[joining]) * signs[joining] > 0
            if right.all():
                self._border(solved[:, joining], inverse)
                return self._append(J[joining], rows[joining], signs[joining])
            right[0] |= not right.any()
            joining = joining[right]

    def _border(self, solved: Array, inverse: Array) -> None:
        """Extend the inverse; ``solved`` is H^-1 B and ``inverse`` S^-1, in the terms above."""
        k, across = len(solved), solved @ inverse
        bordered = np.empty((k + len(inverse), k + len(inverse)))
        bordered[:k, :k] = self._inverse + across @ solved.T
        bordered[:k, k:], bordered[k:, :k], bordered[k:, k:] = -across, -across.T, inverse
        self._inverse = bordered

    def _leave(self, gone: Array) -> None:
        """Take weights out; what is left of the inverse is again a Schur complement."""
        if not gone.any():
            return
        kept, out = np.flatnonzero(~gone), np.flatnonzero(gone)
        self._store[: len(kept)] = self._store[kept]
        self.active, self.w, self.signs = self.active[kept], self.w[kept], self.signs[kept]
        rows, cut = self._inverse[kept], self._inverse[out]
        self._inverse = rows[:, kept] - rows[:, out] @ np.linalg.solve(cut[:, out], cut[:, kept])

    def _append(self, columns: Array, rows: Array, signs: Array) -> None:
        k, more = len(self.active), len(columns)
        if k + more > len(self._store):  # twice as many places: rows are copied seldom
            self._store = np.concatenate([self._rows, np.empty((k + more, self._moments.p))])
        self._store[k : k + more] = rows
        self.active = np.concatenate([self.active, columns])
        self.w = np.concatenate([self.w, np.zeros(more)])
        self.signs = np.concatenate([self.signs, signs])

    def _invert(self, damping: float) -> None:
        self._damping = min(max(damping, DAMPING), 1e-3)
        hessian = self._rows[:, self.active]
        hessian.flat[:: len(hessian) + 1] += self._damping * hessian.diagonal() + self.l2
        self._inverse = np.linalg.inv(hessian)
