"""Evaluation data that is unlike training data."""

import numpy as np
import pyarrow as pa

from benchmarks.leaks import splits
from benchmarks.leaks.planting import DoesNotApply
from benchmarks.leaks.splits import Splits

Random = np.random.Generator


def shifted_feature(data: Splits, shift_sd: float, random: Random) -> Splits:
    """A feature of the evaluation split is larger by some of its standard deviations in training."""
    if not data.numeric:
        raise DoesNotApply("no feature is a number")
    name = str(random.choice(data.numeric))
    scale = float(np.std(splits.values(data.train, name).astype(np.float64)))
    flat = splits.values(data.eval, name) + shift_sd * scale
    return data.both(data.train, splits.with_values(data.eval, name, flat))


def shifted_labels(data: Splits, share: float, random: Random) -> Splits:
    """The evaluation split lacks a share of its most frequent class, in regression of its small labels."""
    labels = splits.values(data.eval, data.label)
    if data.is_regression:
        group = labels < np.median(labels)
    else:
        classes, counts = np.unique(labels, return_counts=True)
        group = labels == classes[counts.argmax()]
    gone = group & (random.random(len(labels)) < share)
    return data.both(data.train, data.eval.filter(pa.array(~gone)).combine_chunks())
