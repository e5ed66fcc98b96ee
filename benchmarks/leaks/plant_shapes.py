"""Defects of shape and integrity."""

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import schema_pb2

from benchmarks.leaks import splits
from benchmarks.leaks.planting import PLANTED, DoesNotApply, some_rows
from benchmarks.leaks.splits import Splits
from benchmarks.leaks.statistics import statistics_of

Random = np.random.Generator


def missing_feature(data: Splits, share: float, random: Random) -> Splits:
    """A feature is absent from some sequences of the evaluation split."""
    name = str(random.choice(data.features))
    gone = np.zeros(len(data.eval), bool)
    gone[some_rows(len(gone), share, random)] = True
    return data.both(data.train, splits.without(data.eval, name, gone))


def unexpected_feature(data: Splits, share: float, random: Random) -> Splits:
    """Some sequences of the evaluation split have a feature that training never had."""
    noise = random.normal(size=int(splits.lengths(data.eval, data.features[0]).sum()))
    counts = splits.lengths(data.eval, data.features[0])
    gone = np.ones(len(data.eval), bool)
    gone[some_rows(len(gone), share, random)] = False
    table = splits.with_values(data.eval, PLANTED, noise, counts)
    return data.both(data.train, splits.without(table, PLANTED, gone))


def wrong_type(data: Splits, to: str, random: Random) -> Splits:
    """A feature of the evaluation split has another type than in training."""
    if to == "whole numbers":
        name = _numeric(data, random)
        flat: Any = np.nan_to_num(splits.values(data.eval, name)).round().astype(np.int64)
    elif data.numeric:
        name = _numeric(data, random)
        flat = splits.values(data.eval, name).astype(str)
    else:
        name = str(random.choice(data.texts))
        flat = np.array([len(text) for text in splits.values(data.eval, name)], np.int64)
    return data.both(data.train, splits.with_values(data.eval, name, flat))


def length_mismatch(data: Splits, share: float, random: Random) -> Splits:
    """One feature of some training sequences lacks its last step."""
    _need_steps(data)
    name = str(random.choice(data.features))
    ends = splits.starts(data.train, name)[1:]
    rows = some_rows(len(data.train), share, random)
    keep = np.ones(ends[-1], bool)
    keep[ends[rows] - 1] = False
    counts = splits.lengths(data.train, name)
    counts[rows] -= 1
    table = splits.with_values(data.train, name, splits.values(data.train, name)[keep], counts)
    return data.both(table, data.eval)


def empty_sequence(data: Splits, share: float, random: Random) -> Splits:
    """Some training sequences have no step."""
    rows = some_rows(len(data.train), share, random)
    names = splits.step_columns(data)
    keep = ~np.isin(splits.rows_of(data.train, names[0]), rows)
    return data.both(splits.keep_steps(data.train, names, keep), data.eval)


def all_zero(data: Splits, share: float, random: Random) -> Splits:
    """All values of some training sequences are zero."""
    if data.texts:
        raise DoesNotApply("a text is never zero")
    return _all_alike(data, share, 0.0, random)


def all_absent(data: Splits, share: float, random: Random) -> Splits:
    """All values of some training sequences are NaN, or empty text."""
    return _all_alike(data, share, np.nan, random)


def _all_alike(data: Splits, share: float, value: float, random: Random) -> Splits:
    rows = some_rows(len(data.train), share, random)
    table = data.train
    for name in data.features:
        table = _set(table, name, np.isin(splits.rows_of(table, name), rows), value)
    return data.both(table, data.eval)


def interior_padding(data: Splits, strength: tuple[float, int], random: Random) -> Splits:
    """All features of some steps in the middle of some training sequences are zero."""
    _need_steps(data)
    share, steps = strength
    rows = some_rows(len(data.train), share, random)
    table = data.train
    for name in data.features:
        begin, count = splits.starts(table, name)[:-1][rows], splits.lengths(table, name)[rows]
        first = begin + np.maximum(1, (count - steps) // 2)
        places = (first[:, None] + np.arange(steps)).ravel()
        hidden = np.zeros(int(splits.lengths(table, name).sum()), bool)
        hidden[places] = True
        table = _set(table, name, hidden, 0.0)
    return data.both(table, data.eval)


def too_long(data: Splits, share: float, random: Random) -> Splits:
    """`max_length` is shorter than some sequences."""
    del random
    _need_steps(data)
    longest = np.sort(splits.values(data.train, "sequence_length"))
    if data.config.data.window:
        raise DoesNotApply("windows have the length that the configuration says")
    if longest[0] == longest[-1] and share < 1:
        raise DoesNotApply("all sequences have one length")
    limit = int(longest[0] // 2 if share >= 1 else longest[-max(2, round(share * len(longest)))] - 1)
    settings = data.config.data.model_copy(update={"max_length": limit})
    return replace(data, config=data.config.model_copy(update={"data": settings}))


def non_finite(data: Splits, strength: tuple[float, float], random: Random) -> Splits:
    """Some values of a feature are not finite."""
    share, value = strength
    name = _numeric(data, random)
    flat = splits.values(data.train, name)
    flat[some_rows(len(flat), share, random)] = value
    return data.both(splits.with_values(data.train, name, flat), data.eval)


def label_missing(data: Splits, share: float, random: Random) -> Splits:
    """Some training sequences have no label."""
    gone = np.zeros(len(data.train), bool)
    gone[some_rows(len(gone), share, random)] = True
    return data.both(splits.without(data.train, data.label, gone), data.eval)


def unseen_label(data: Splits, share: float, random: Random) -> Splits:
    """Some sequences of the evaluation split have a label that training never had."""
    if data.is_regression:
        raise DoesNotApply("any number can be a label")
    labels = splits.values(data.eval, data.label).astype(object)
    labels[some_rows(len(labels), share, random)] = b"never seen"
    return data.both(data.train, splits.with_values(data.eval, data.label, labels))


def absent_class(data: Splits, where: str, random: Random) -> Splits:
    """One class is absent from a split."""
    if data.is_regression:
        raise DoesNotApply("there are no classes")
    classes = np.unique(splits.values(data.train, data.label))
    gone = classes[random.integers(len(classes))]
    tables = {"train": data.train, "eval": data.eval}
    keep = splits.values(tables[where], data.label) != gone
    tables[where] = tables[where].filter(pa.array(keep))
    return data.both(tables["train"], tables["eval"])


def unseen_category(data: Splits, share: float, random: Random) -> Splits:
    """Some steps of the evaluation split have a category that training never had."""
    _need_steps(data)
    tables = []
    for table in (data.train, data.eval):
        counts = splits.lengths(table, data.features[0])
        flat = random.choice(np.array([b"north", b"south", b"west"], object), int(counts.sum()))
        tables.append(splits.with_values(table, PLANTED, flat, counts))
    flat = splits.values(tables[1], PLANTED).astype(object)
    flat[some_rows(len(flat), share, random)] = b"east"
    return data.both(tables[0], splits.with_values(tables[1], PLANTED, flat))


def constant_feature(data: Splits, share: float, random: Random) -> Splits:
    """A new feature has one value, but for a share of the steps."""
    tables = []
    for table in (data.train, data.eval):
        counts = splits.lengths(table, data.features[0])
        flat = np.full(int(counts.sum()), 7.0)
        if share:
            flat[some_rows(len(flat), share, random)] = 8.0
        tables.append(splits.with_values(table, PLANTED, flat, counts))
    return data.both(*tables)


def small_eval(data: Splits, sequences: int, random: Random) -> Splits:
    """The evaluation split has few sequences."""
    rows = np.sort(random.choice(len(data.eval), sequences, replace=False))
    return data.both(data.train, data.eval.take(pa.array(rows)))


def out_of_domain(data: Splits, share: float, random: Random) -> Splits:
    """Some values of the evaluation split leave the domain that a reviewed schema sets."""
    name = _numeric(data, random)
    both = [splits.values(table, name) for table in (data.train, data.eval)]
    low, high = (float(pick(np.concatenate(both))) for pick in (np.nanmin, np.nanmax))
    domain = schema_pb2.FloatDomain(name=name, min=low - 1e-3, max=high + 1e-3)
    flat = both[1]
    flat[some_rows(len(flat), share, random)] = high + (high - low) / 2 + 1
    return replace(_reviewed(data, name, domain), eval=splits.with_values(data.eval, name, flat))


def schema_anomaly(data: Splits, share: float, random: Random) -> Splits:
    """Some values of the evaluation split are NaN, which a reviewed schema forbids."""
    name = _numeric(data, random)
    flat = splits.values(data.eval, name)
    flat[some_rows(len(flat), share, random)] = np.nan
    domain = schema_pb2.FloatDomain(name=name, disallow_nan=True)
    return replace(_reviewed(data, name, domain), eval=splits.with_values(data.eval, name, flat))


def _numeric(data: Splits, random: Random) -> str:
    if not data.numeric:
        raise DoesNotApply("no feature is a number")
    return str(random.choice(data.numeric))


def _need_steps(data: Splits) -> None:
    if int(splits.values(data.train, "sequence_length").max()) < 2:
        raise DoesNotApply("every sequence is one step, a text")


def _set(table: pa.Table, name: str, where: splits.Mask, value: float) -> pa.Table:
    flat = splits.values(table, name)
    flat[where] = b"" if flat.dtype == object else value
    return splits.with_values(table, name, flat)


def _reviewed(data: Splits, name: str, domain: schema_pb2.FloatDomain) -> Splits:
    """The data with the schema of its training split, in which somebody has set a feature's domain."""
    schema = tfdv.infer_schema(statistics_of(splits.encoded(data.train)), infer_feature_shape=False)
    tfdv.get_feature(schema, name).float_domain.CopyFrom(domain)
    config = data.config.model_copy(update={"schema_": "reviewed.pbtxt"})
    return replace(data, schema=schema, config=config)
