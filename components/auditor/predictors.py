"""How well one number, and nothing else, tells the label of sequences that it was not fitted to."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from components.auditor.lists import Ints, Mask

_DISTINCT = 32  # up to so many distinct values each is a bin of its own
_QUANTILES = 16  # of each class otherwise
Numbers = npt.NDArray[Any]


@dataclass(frozen=True)
class Held:
    """What a held-out prediction came to.

    Attributes:
      errors: sequences whose label was not told.
      baseline: sequences that are not of the most frequent class: the errors of always guessing it.
      count: all of them.
      p_value: probability of telling some class as well or better by chance: Fisher's exact test of each
        class against all others, one-sided, times the number of classes.
      skill: how well the class told best is told from all others, see `skills`: 0 by guessing, at most 1.
      skill_low: the lower end of its confidence interval.
      best: that class.
      best_errors: sequences of it that were not told to be, and others that were.
    """

    errors: int
    baseline: int
    count: int
    p_value: float
    skill: float
    skill_low: float
    best: int
    best_errors: int


def cross_fitted(values: Numbers, labels: Ints, fold: Mask, classes: int) -> Ints:
    """The class that each half's bins tell of the other half.

    A value's class is the most frequent one in its bin: one bin a value where there are at most 32,
    otherwise bins between the quantiles of each class and around all of it; NaN is a bin of its own.

    Args:
      values: [N], NaN where there is none.
      labels: [N] numbers of classes.
      fold: [N] which half; sequences that depend on each other are in one.
      classes: how many there are.
    """
    told = np.zeros(len(values), np.int64)
    for fit in (fold, ~fold):
        if fit.any():
            told[~fit] = fitted(values[fit], labels[fit], classes)(values[~fit])
    return told


def fitted(values: Numbers, labels: Ints, classes: int) -> Callable[[Numbers], Ints]:
    """Bins of values and the most frequent class of each; called with other values, tells their class."""
    distinct = np.unique(values[~np.isnan(values)])
    if len(distinct) <= _DISTINCT:
        edges = (distinct[1:] + distinct[:-1]) / 2
    else:
        edges = _class_edges(values, labels, classes)
    bins = len(edges) + 2  # the last one is for NaN

    def bin_of(these: Numbers) -> Ints:
        found: Ints = np.searchsorted(edges, these, side="right")
        return np.where(np.isnan(these), bins - 1, found)

    counts = np.bincount(bin_of(values) * classes + labels, minlength=bins * classes).reshape(bins, classes)
    overall = np.bincount(labels, minlength=classes)
    # Where a bin has no class, or a tie, the one that is more frequent overall.
    told: Ints = (counts + overall / (overall.sum() + 1)).argmax(axis=1)
    filled = np.flatnonzero(counts[:-1].any(axis=1))
    if len(filled):  # an empty bin tells what the one below it does, the lowest what the one above it does
        told[:-1] = told[filled[np.maximum(0, np.searchsorted(filled, np.arange(bins - 1), "right") - 1)]]
    return lambda these: told[bin_of(these)]


def _class_edges(values: Numbers, labels: Ints, classes: int) -> Numbers:
    """Edges at quantiles of each class; around its least and largest value halfway to the next one."""
    known = np.unique(values[~np.isnan(values)])
    between = (known[1:] + known[:-1]) / 2
    inner = np.linspace(0, 1, _QUANTILES + 1)[1:-1]
    edges = []
    for label in range(classes):
        own = values[(labels == label) & ~np.isnan(values)]
        if len(own):
            least, largest = np.searchsorted(known, (own.min(), own.max()))
            edges += [
                np.quantile(own, inner),
                between[max(0, least - 1) : least],
                between[largest : largest + 1],
            ]
    found: Numbers = np.unique(np.concatenate(edges))
    return found


def judged(told: Ints, labels: Ints, classes: int) -> Held:
    """Compares told classes with the true ones.

    Args:
      told: [N] numbers of classes.
      labels: [N] the true ones.
      classes: how many there are.
    """
    own, guesses = np.bincount(labels, minlength=classes), np.bincount(told, minlength=classes)
    hits = np.bincount(labels[told == labels], minlength=classes)
    errors, baseline = int(len(labels) - hits.sum()), int(len(labels) - own.max(initial=0))
    skill, low = skills(hits, guesses, own)
    p_value = 1.0
    if skill.max(initial=0) > 0:
        logs = stats.hypergeom.logsf(hits - 1, len(labels), own, guesses)
        p_value = float(min(1.0, np.exp(np.nanmin(logs)) * classes))
    best = int(low.argmax()) if classes else 0
    wrong = int(own[best] + guesses[best] - 2 * hits[best]) if classes else 0
    return Held(errors, baseline, len(labels), p_value, float(skill[best]), float(low[best]), best, wrong)


def skills(hits: Ints, guesses: Ints, own: Ints, confidence: float = 0.999) -> tuple[Numbers, Numbers]:
    """How well each class is told from all others, and the lower bound of that.

    It is Youden's J (1950): the share of the class that is told to be it, less the share of all others
    that is. The bound lies the normal quantile times the standard error below, at that confidence for
    all classes together; the variance of a share is Agresti and Coull's (1998), with two hits and two
    misses added.

    Args:
      hits: [K] sequences of each class that were told to be it.
      guesses: [K] sequences that were told to be of the class.
      own: [K] sequences of each class.
      confidence: one-sided.
    """
    others, false = own.sum() - own, guesses - hits
    usable = (own > 0) & (others > 0)
    skill = np.where(usable, hits / np.maximum(own, 1) - false / np.maximum(others, 1), 0.0)
    eased = (hits + 2) / (own + 4), (false + 2) / (others + 4)
    variance = eased[0] * (1 - eased[0]) / (own + 4) + eased[1] * (1 - eased[1]) / (others + 4)
    quantile = float(stats.norm.ppf(1 - (1 - confidence) / max(1, len(own))))
    return skill, np.where(usable, skill - quantile * np.sqrt(variance), 0.0)


def correlation_ratios(values: Numbers, labels: Ints, classes: int) -> Numbers:
    """Share of each column's variance that lies between the classes: Pearson's eta squared, [C].

    Args:
      values: [N, C]; NaN counts as the column's mean.
      labels: [N] numbers of classes.
      classes: how many there are.
    """
    mean = np.nanmean(np.where(np.isnan(values).all(axis=0), 0, values), axis=0)
    centred = np.where(np.isnan(values), 0, values - mean)
    own = np.bincount(labels, minlength=classes)
    one_hot = np.zeros((len(labels), classes))
    one_hot[np.arange(len(labels)), labels] = 1
    means = (one_hot.T @ centred) / np.maximum(own, 1)[:, None]
    total = (centred**2).sum(axis=0)
    between = (means**2 * own[:, None]).sum(axis=0)
    ratios: Numbers = np.divide(between, total, out=np.zeros_like(total), where=total > 0)
    return ratios


def explained(values: Numbers, truth: Numbers, fold: Mask, *, by_rank: bool = True) -> float:
    """R² of a line fitted to one half and held to the other, or of ranks where that is more.

    Args:
      values: [N], without NaN.
      truth: [N] the label.
      fold: [N] which half.
      by_rank: whether ranks count; they are alike in any two series that only grow.
    """
    if np.ptp(values) == 0 or np.ptp(truth) == 0 or fold.all() or not fold.any():
        return 0.0
    residual = np.zeros(len(values))
    for fit in (fold, ~fold):
        if np.ptp(values[fit]) == 0:
            return 0.0
        middle, centred = values[fit].mean(), values[fit] - values[fit].mean()
        slope = (centred * truth[fit]).sum() / (centred**2).sum()
        residual[~fit] = truth[~fit] - (truth[fit].mean() + slope * (values[~fit] - middle))
    line = 1 - (residual**2).sum() / ((truth - truth.mean()) ** 2).sum()
    ranks = float(stats.spearmanr(values, truth).statistic) ** 2 if by_rank else 0.0
    return float(max(line, ranks, 0.0))
