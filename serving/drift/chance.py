"""What measures of drift come to by chance alone, between two samples of one distribution.

Each function gives the value that is exceeded with probability p. n and m are the sizes of the samples,
in independent observations.
"""

import math

import numpy as np
import numpy.typing as npt
from scipy import stats

_BITS = math.log(2)


def jensen_shannon(cells: int, n: float, m: float, p: float) -> float:
    """Jensen-Shannon divergence in bits of counts in so many cells.

    Near equality it is (1/8) Σ (p - q)² / p nats, and Σ (p - q)² / p · n m / (n + m) is
    chi-squared with cells - 1 degrees of freedom (Lin 1991; Pearson).
    """
    return float(stats.chi2.isf(p, max(1, cells - 1)) * (1 / n + 1 / m) / (8 * _BITS))


def infinity(shares: npt.NDArray[np.float64], n: float, m: float, p: float) -> float:
    """The largest difference of the shares of categories, each tested at p over their number."""
    tests = max(1.0, min(len(shares), n))
    widest = shares[np.abs(shares - 0.5).argmin()] if len(shares) else 0.0
    return share(float(widest), n, m, p / tests)


def share(value: float, n: float, m: float, p: float) -> float:
    """The difference of two shares, of the normal distribution."""
    return float(stats.norm.isf(p / 2) * math.sqrt(value * (1 - value) * (1 / n + 1 / m)))


def kolmogorov(n: float, m: float, p: float) -> float:
    """The largest difference of two distribution functions (Massart 1990)."""
    return math.sqrt(math.log(2 / p) / 2) * math.sqrt(1 / n + 1 / m)
