"""How probable it is that one of several Beta variables is the highest: the propensity of Thompson sampling.

    P(i is highest) = integral of density_i(x) * product over j != i of cumulative_j(x) dx

with each variable shifted by its penalty, by the trapezoid rule on a grid. Equal variables are taken together, so that a
crowd of unknown agents costs as much as one.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from heapq import nlargest
from typing import Final

__all__ = ["probability_of_the_highest"]

_POINTS: Final = 128
_KINDS: Final = 32
"""So many kinds are compared, those that reach highest; the others have next to no chance."""

_Shape = tuple[float, float, float]
"""Alpha, beta, penalty."""


def probability_of_the_highest(shapes: Sequence[_Shape], position: int) -> float:
    """The probability that the variable at `position` is the highest of all; 0 to 1, to about 1 in 100."""
    kinds = Counter(shapes)
    chosen = shapes[position]
    leading = dict.fromkeys(nlargest(_KINDS, kinds, key=_reach)) | {chosen: None}
    low = min(-penalty for _, _, penalty in leading)
    high = max(1 - penalty for _, _, penalty in leading)
    step = (high - low) / _POINTS
    grid = [low + step * (point + 0.5) for point in range(_POINTS)]
    curves = {kind: _curves(kind, grid) for kind in leading}
    chances = {kind: _chance(kind, kinds, curves) for kind in leading}
    whole = sum(kinds[kind] * chance for kind, chance in chances.items())
    return min(1.0, chances[chosen] / whole) if whole > 0 else 1 / len(shapes)


def _chance(
    kind: _Shape, kinds: Counter[_Shape], curves: dict[_Shape, tuple[list[float], list[float]]]
) -> float:
    product = list(curves[kind][0])
    for other, (_, cumulative) in curves.items():
        power = kinds[other] - (other == kind)
        if power:
            product = [value * below**power for value, below in zip(product, cumulative, strict=True)]
    return sum(product)


def _curves(kind: _Shape, grid: Sequence[float]) -> tuple[list[float], list[float]]:
    """The mass of each cell of the grid, and what lies below the cell's middle."""
    alpha, beta, penalty = kind
    scale = math.lgamma(alpha + beta) - math.lgamma(alpha) - math.lgamma(beta)
    masses = []
    for point in grid:
        x = point + penalty
        inside = 0.0 < x < 1.0
        exponent = scale + (alpha - 1) * math.log(x) + (beta - 1) * math.log1p(-x) if inside else 0.0
        masses.append(math.exp(exponent) if inside else 0.0)
    whole = sum(masses) or 1.0
    density, cumulative, below = [], [], 0.0
    for mass in masses:
        share = mass / whole
        density.append(share)
        cumulative.append(below + share / 2)
        below += share
    return density, cumulative


def _reach(kind: _Shape) -> float:
    alpha, beta, penalty = kind
    whole = alpha + beta
    mean = alpha / whole
    return mean + 3 * math.sqrt(mean * (1 - mean) / (whole + 1)) - penalty
