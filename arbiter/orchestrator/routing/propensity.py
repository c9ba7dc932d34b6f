"""How probable it is that one of several Beta variables is the highest: the propensity of Thompson sampling.

    P(i is highest) = integral of density_i(x) * product over j != i of cumulative_j(x) dx

with each variable shifted by its penalty, by the midpoint rule over the range where the highest can lie. Equal variables
are taken together, so that a crowd of unknown agents costs as much as one.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from heapq import nlargest
from typing import Final

__all__ = ["probability_of_the_highest"]

_POINTS: Final = 64
_KINDS: Final = 16
"""So many kinds are compared, those that reach highest; the others have next to no chance."""
_DEVIATIONS: Final = 4.0

_Shape = tuple[float, float, float]
"""Alpha, beta, penalty."""
_Curves = tuple[list[float], list[float]]
"""For each point: the mass around it, and what lies below it."""


def probability_of_the_highest(shapes: Sequence[_Shape], position: int) -> float:
    """The probability that the variable at `position` is the highest of all; 0 to 1, right to about 1 in 100."""
    kinds, chosen = Counter(shapes), shapes[position]
    leading = dict.fromkeys([*nlargest(_KINDS, kinds, key=_highest), chosen])
    low, high = max(map(_lowest, leading)), max(map(_highest, leading))
    step = (high - low) / _POINTS
    grid = [low + step * (point + 0.5) for point in range(_POINTS)]
    curves = {kind: _curves(kind, grid, step) for kind in leading}
    chances = {kind: _chance(kind, kinds, curves) for kind in leading}
    whole = sum(kinds[kind] * chance for kind, chance in chances.items())
    return min(1.0, chances[chosen] / whole) if whole > 0 else 0.0


def _chance(kind: _Shape, kinds: Mapping[_Shape, int], curves: Mapping[_Shape, _Curves]) -> float:
    product = curves[kind][0]
    for other, (_, below) in curves.items():
        if power := kinds[other] - (other == kind):
            product = [mass * lower**power for mass, lower in zip(product, below, strict=True)]
    return sum(product)


def _curves(kind: _Shape, grid: Sequence[float], step: float) -> _Curves:
    alpha, beta, penalty = kind
    scale = math.lgamma(alpha + beta) - math.lgamma(alpha) - math.lgamma(beta) + math.log(step)
    masses = [
        math.exp(scale + (alpha - 1) * math.log(x) + (beta - 1) * math.log1p(-x)) if 0.0 < x < 1.0 else 0.0
        for x in [point + penalty for point in grid]
    ]
    before = max(0.0, 1.0 - sum(masses))
    below = []
    for mass in masses:
        below.append(min(1.0, before + mass / 2))
        before += mass
    return masses, below


def _lowest(kind: _Shape) -> float:
    mean, deviation = _moments(kind)
    return max(0.0, mean - _DEVIATIONS * deviation) - kind[2]


def _highest(kind: _Shape) -> float:
    mean, deviation = _moments(kind)
    return min(1.0, mean + _DEVIATIONS * deviation) - kind[2]


def _moments(kind: _Shape) -> tuple[float, float]:
    alpha, beta, _ = kind
    whole = alpha + beta
    mean = alpha / whole
    return mean, math.sqrt(mean * (1 - mean) / (whole + 1))
