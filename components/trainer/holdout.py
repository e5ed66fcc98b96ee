"""Which training sequences decide when to stop, so that the evaluation split stays unseen."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from components.ingest.hashes import hash_text
from components.trainer.survey import Survey

ONE_IN = 10  # sequences, or series
_FEWEST_SERIES = 20  # from which on whole series are held out

Mask = npt.NDArray[np.bool_]


def hold_out(survey: Survey, span: int) -> tuple[Mask, Mask]:
    """Divides the training split.

    Of 20 series and more every tenth is held out whole, in the order of their labels and, where
    these are equal, of a hash of their ids: each class, and each range of a number, gives its part.
    The label of a series is that of its first window. Fewer series are cut into up to ten parts, and
    the last tenth of each part's windows is held out: the model is fitted to all times of a series,
    the newest included. Windows that share a step with these are in neither; so that this costs
    little, a series of few windows has fewer parts, and where it would leave less than half of the
    windows to fit, whole series are held out if that leaves more. A sequence that is no window is a
    series of its own.

    Args:
      survey: of N sequences.
      span: steps a window needs, those up to its label included.

    Returns:
      Which sequences the model is fitted to, [N], and which are held out, [N].
    """
    names, series = np.unique(survey.series.astype(bytes), return_inverse=True)
    whole = _every_tenth(names, series, survey)[series]
    if len(names) < _FEWEST_SERIES and len(names) < len(series):
        held = _ends_of_parts(series, survey.starts, max(1, span))
        fitted = ~held & ~_near(held, series, survey.starts, max(1, span))
        if fitted.sum() >= min(len(series) / 2, (~whole).sum()):
            return fitted, held
    return ~whole, whole


def _every_tenth(names: npt.NDArray[np.bytes_], series: npt.NDArray[np.intp], survey: Survey) -> Mask:
    by_start = np.lexsort((survey.starts, series))
    labels = survey.labels[by_start[np.searchsorted(series[by_start], np.arange(len(names)))]]
    known = labels.astype(bytes) if labels.dtype == object else labels
    order = np.lexsort((hash_text(pa.array(names.tolist(), pa.binary())), known))
    held = np.zeros(len(names), bool)
    held[order[min(ONE_IN, len(names)) // 2 :: ONE_IN]] = True
    return held


def _ends_of_parts(series: npt.NDArray[np.intp], starts: npt.NDArray[np.int64], span: int) -> Mask:
    order = np.lexsort((starts, series))
    counts = np.bincount(series)
    ends = np.cumsum(counts)
    steps = starts[order][ends - 1] - starts[order][ends - counts]
    parts = np.clip(steps // (2 * ONE_IN * span), 1, ONE_IN)
    rank = np.arange(len(series)) - np.repeat(ends - counts, counts)
    count = np.repeat(counts, counts)
    place_in_part = rank * np.repeat(parts, counts) % count
    last = (rank == count - 1) & (count > 1)
    held = np.zeros(len(series), bool)
    held[order] = last | (place_in_part >= count * (1 - 1 / ONE_IN))
    return held


def _near(held: Mask, series: npt.NDArray[np.intp], starts: npt.NDArray[np.int64], span: int) -> Mask:
    """Windows that share a step with a window that is held out."""
    if not held.any():
        return held
    apart = starts.max() + span + 1  # more than any two starts of one series differ
    places = series * apart + starts
    taken = np.sort(places[held])
    after = np.searchsorted(taken, places).clip(max=len(taken) - 1)
    before = (after - 1).clip(min=0)
    distance = np.minimum(np.abs(taken[after] - places), np.abs(taken[before] - places))
    near: Mask = distance < span
    return near
