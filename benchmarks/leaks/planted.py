"""The table of all plantings: check, how, strengths, severity of the obvious one, who else may report it.

What proves a leak or broken data is expected as an error; what cannot be told from honest signal as
a warning. Correct it here.
"""

import numpy as np

from benchmarks.leaks import plant_answers as answers
from benchmarks.leaks import plant_copies as copies
from benchmarks.leaks import plant_drift as drift
from benchmarks.leaks import plant_shapes as shapes
from benchmarks.leaks import plant_times as times
from benchmarks.leaks.planting import ALL, Planting

_ROWS = {"1 sequence": 1, "1 %": 0.01, "10 %": 0.1}
_ROWS_TO_ALL = {"1 sequence": 1, "10 %": 0.1, "all": ALL}
_FLIPPED = {"20 % wrong": 0.2, "5 % wrong": 0.05, "1 % wrong": 0.01, "0.2 % wrong": 0.002, "exact": 0.0}
_FLIPPED_SHORT = {"5 % wrong": 0.05, "1 % wrong": 0.01, "exact": 0.0}
_SCHEMA = ("schema-anomaly",)  # TFDV sees it too
_SHARED = ("gap-too-small", "split-not-chronological", "sequence-in-both-splits")
_FUTURE = "future-as-feature"
_TYPE = ("schema-anomaly", "empty-sequence")  # a text has one step, and none that can be read

_SHAPE = (
    Planting("missing-feature", "", shapes.missing_feature, _ROWS_TO_ALL, "error", _TYPE),
    Planting("unexpected-feature", "", shapes.unexpected_feature, _ROWS_TO_ALL, "error", _SCHEMA),
    Planting(
        "wrong-type",
        "",
        shapes.wrong_type,
        {"whole numbers": "whole numbers", "text": "text"},
        "error",
        _TYPE,
    ),
    Planting("length-mismatch", "", shapes.length_mismatch, _ROWS, "error"),
    Planting("empty-sequence", "", shapes.empty_sequence, _ROWS, "error", _SCHEMA),
    Planting("all-padding", "no value", shapes.all_absent, _ROWS, "error"),
    Planting("all-padding", "zeros", shapes.all_zero, _ROWS, "warning"),
    Planting(
        "interior-padding",
        "",
        shapes.interior_padding,
        {
            "1 step of 1": (1, 1),
            "3 steps of 1": (1, 3),
            "3 steps of 1 %": (0.01, 3),
            "3 steps of 10 %": (0.1, 3),
        },
        "warning",
    ),
    Planting("too-long", "", shapes.too_long, {"0.5 %": 0.005, "5 %": 0.05, "all": 1.0}, "warning"),
    Planting(
        "non-finite",
        "infinite",
        shapes.non_finite,
        {"1 value": (1, np.inf), "1 %": (0.01, np.inf), "10 %": (0.1, np.inf)},
        "error",
    ),
    Planting(
        "non-finite",
        "NaN",
        shapes.non_finite,
        {"1 value": (1, np.nan), "1 %": (0.01, np.nan), "10 %": (0.1, np.nan)},
        "warning",
    ),
    Planting("label-missing", "", shapes.label_missing, _ROWS, "error", _SCHEMA),
    Planting("label-domain", "unseen label", shapes.unseen_label, _ROWS, "error", _SCHEMA),
    Planting("label-domain", "class absent", shapes.absent_class, {"from eval": "eval"}, "warning"),
    Planting("label-domain", "class absent", shapes.absent_class, {"from train": "train"}, "error", _SCHEMA),
    Planting(
        "token-out-of-range",
        "unseen category",
        shapes.unseen_category,
        {"1 step": 1, "1 % of steps": 0.01, "10 % of steps": 0.1},
        "warning",
        _SCHEMA,
    ),
    Planting("time-not-increasing", "", times.swapped_times, _ROWS, "error"),
    Planting("duplicate-timestamp", "", times.repeated_times, _ROWS, "warning"),
    Planting(
        "constant-feature", "", shapes.constant_feature, {"0.1 % differ": 0.001, "constant": 0.0}, "warning"
    ),
    Planting("split-too-small", "", shapes.small_eval, {"20 left": 20, "5 left": 5, "1 left": 1}, "warning"),
    Planting("split-too-small", "", shapes.small_eval, {"none left": 0}, "error", _SCHEMA),
    Planting(
        "token-out-of-range",
        "number outside a reviewed domain",
        shapes.out_of_domain,
        {"1 value": 1, "1 %": 0.01, "10 %": 0.1},
        "warning",
        _SCHEMA,
    ),
    Planting(
        "schema-anomaly",
        "NaN, which the schema forbids",
        shapes.schema_anomaly,
        {"1 value": 1, "1 %": 0.01, "10 %": 0.1},
        "error",
        ("non-finite",),
    ),
)

_COPIES = (
    Planting("sequence-in-both-splits", "same id", copies.same_id, _ROWS, "error"),
    Planting(
        "sequence-in-both-splits",
        "series cut in two",
        times.series_on_both_sides,
        {"1 series": 1, "5 series": 5},
        "error",
    ),
    Planting(
        "duplicate-across-splits", "", copies.copy_across, {"1 sequence": 1, "10": 10, "10 %": 0.1}, "error"
    ),
    Planting(
        "near-duplicate",
        "5 % copied with noise",
        copies.nearly_copy_across,
        {"0.01 sd": (0.05, 0.01), "0.001 sd": (0.05, 0.001), "0.0001 sd": (0.05, 0.0001)},
        "warning",
    ),
    Planting(
        "near-duplicate",
        "1 copied with noise",
        copies.nearly_copy_across,
        {"0.001 sd": (1, 0.001), "0.0001 sd": (1, 0.0001)},
        "warning",
    ),
    Planting(
        "near-duplicate",
        "5 % copied, words changed",
        copies.reword_across,
        {"3 words": (0.05, 3), "2 words": (0.05, 2), "1 word": (0.05, 1)},
        "warning",
    ),
    Planting("duplicate-within-split", "", copies.copy_within, _ROWS, "warning"),
    Planting("conflicting-labels", "", copies.contradict, _ROWS, "warning"),
)

_TIMES = (
    Planting(
        "window-overlap",
        "1 window",
        times.overlap,
        {"1 step": 0.0, "half": 0.5, "all but 1": 1.0},
        "error",
        _SHARED,
    ),
    Planting(
        "split-not-chronological",
        "",
        times.not_chronological,
        {"1 sequence": 0.0, "10 %": 0.1, "40 %": 0.4},
        "error",
        ("gap-too-small",),
    ),
    Planting("gap-too-small", "1 window", times.short_gap, {"1 less": 4, "3 less": 2, "no gap": 0}, "error"),
    Planting("feature-after-label", "", times.early_label, _ROWS, "error"),
)

_ANSWERS = (
    Planting("label-as-feature", "category", answers.label_as_category, _FLIPPED, "error", _SCHEMA, _FUTURE),
    Planting(
        "label-as-feature",
        "number with noise",
        answers.label_as_number,
        {"0.3": 0.3, "0.1": 0.1, "0.01": 0.01, "0.001": 0.001},
        "error",
        (),
        _FUTURE,
    ),
    Planting(
        "label-as-feature", "last step", answers.label_at_last_step, _FLIPPED_SHORT, "error", (), _FUTURE
    ),
    Planting(
        "label-as-feature", "fourth step", answers.label_in_the_middle, _FLIPPED_SHORT, "error", (), _FUTURE
    ),
    Planting(
        "label-as-feature",
        "mean over steps",
        answers.label_as_mean,
        {"0.3": 0.3, "0.1": 0.1, "0.01": 0.01, "0.001": 0.001},
        "error",
        (),
        _FUTURE,
    ),
    Planting("future-as-feature", "", answers.future_label, _FLIPPED_SHORT, "error", ("label-as-feature",)),
    Planting(
        "id-predicts-label",
        "first letter",
        answers.telling_ids,
        {"20 % of ids": 0.2, "50 % of ids": 0.5, "all ids": 1.0},
        "warning",
    ),
    Planting(
        "order-predicts-label",
        "sorted by class",
        answers.telling_order,
        {"20 % of rows": 0.2, "50 % of rows": 0.5, "all": 1.0},
        "warning",
    ),
    Planting(
        "length-predicts-label",
        "a class cut by 30 %",
        answers.telling_length,
        {"20 % of it": 0.2, "50 % of it": 0.5, "all of it": 1.0},
        "warning",
    ),
    Planting(
        "missingness-predicts-label",
        "feature absent, in the class / else",
        answers.telling_absence,
        {"20 / 10 %": (0.2, 0.1), "50 / 10 %": (0.5, 0.1), "100 / 0 %": (1.0, 0.0)},
        "warning",
        ("missing-feature", "schema-anomaly"),
    ),
    Planting(
        "missingness-predicts-label",
        "steps NaN, in the class / else",
        answers.telling_nan,
        {"20 / 10 %": (0.2, 0.1), "50 / 10 %": (0.5, 0.1), "90 / 0 %": (0.9, 0.0)},
        "warning",
        ("non-finite",),
    ),
    Planting(
        "split-drift",
        "1 feature of eval",
        drift.shifted_feature,
        {"0.1 sd": 0.1, "0.5 sd": 0.5, "1 sd": 1.0, "3 sd": 3.0},
        "warning",
    ),
    Planting(
        "label-drift",
        "eval lacks of its largest class",
        drift.shifted_labels,
        {"20 %": 0.2, "50 %": 0.5, "90 %": 0.9},
        "warning",
    ),
)

PLANTINGS = (*_SHAPE, *_COPIES, *_TIMES, *_ANSWERS)
CHECKS = tuple(dict.fromkeys(planting.check for planting in PLANTINGS))
