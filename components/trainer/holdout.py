"""Which training sequences decide when to stop, so that the evaluation split stays unseen."""

from typing import Any

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
    Of fewer series the last tenth of each one's windows is held out, and windows that share a step
    with these are in neither part. A sequence that is no window is a series of its own.

    Args:
      survey: of N sequences.
      span: steps a window needs, those up to its label included.

    Returns:
      Which sequences the model is fitted to, [N], and which are held out, [N].
    """
    names, series = np.unique(survey.series.astype(bytes), return_inverse=True)
    if len(names) >= _FEWEST_SERIES:
        held = _every_tenth(names, series, survey.labels)[series]
        return ~held, held
    return _tails(series, survey.starts, span)


def _every_tenth(
    names: npt.NDArray[np.bytes_], series: npt.NDArray[np.intp], labels: npt.NDArray[Any]
) -> Mask:
    first = np.zeros(len(names), np.int64)
    first[series[::-1]] = np.arange(len(series))[::-1]  # the first sequence of each series
    known = labels[first].astype(bytes) if labels.dtype == object else labels[first]
    order = np.lexsort((hash_text(pa.array(names.tolist(), pa.binary())), known))
    held = np.zeros(len(names), bool)
    held[order[ONE_IN // 2 :: ONE_IN]] = True
    return held


def _tails(series: npt.NDArray[np.intp], starts: npt.NDArray[np.int64], span: int) -> tuple[Mask, Mask]:
    order = np.lexsort((starts, series))
    counts = np.bincount(series)
    rank = np.arange(len(series)) - np.repeat(np.cumsum(counts) - counts, counts)
    kept = counts - np.maximum(counts // ONE_IN, counts > 1)
    held = np.zeros(len(series), bool)
    held[order] = rank >= kept[series[order]]
    first_held = np.full(len(counts), np.iinfo(np.int64).max)
    np.minimum.at(first_held, series[held], starts[held])
    fitted = ~held & (starts + span <= first_held[series])
    return fitted, held
