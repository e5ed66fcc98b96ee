"""What statistics.json says, of TFDV's own statistics of small tables, against NumPy."""

import json
import math
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from tensorflow_data_validation.statistics import stats_impl
from tensorflow_metadata.proto.v0 import statistics_pb2

from pipeline.statistics import Columns, read, statistics_json


def measured(columns: dict[str, list]) -> statistics_pb2.DatasetFeatureStatistics:
    """TFDV's statistics of features, each a list of values a sequence; None where a sequence has none."""
    kinds = {float: pa.float32(), int: pa.int64(), str: pa.binary(), bytes: pa.binary()}
    arrays = {}
    for name, rows in columns.items():
        kind = next(kinds[type(value)] for row in rows if row for value in row)
        arrays[name] = pa.array(
            [row and [one.encode() if isinstance(one, str) else one for one in row] for row in rows],
            pa.list_(kind),
        )
    batch = pa.RecordBatch.from_arrays(list(arrays.values()), list(arrays))
    (found,) = stats_impl.generate_statistics_in_memory(batch).datasets
    return found


def told(columns: dict[str, list], kinds: dict[str, str] | None = None, **more) -> dict:
    """What is said of one split."""
    of = Columns(**({"kinds": kinds or {}, "label": "label"} | more))
    found = statistics_json({"train": measured(columns)}, of)
    return json.loads(json.dumps(found, allow_nan=False))["splits"]["train"]


def test_a_feature_of_numbers_is_that_of_numpy():
    rows = [[0.0, 1.5, -2.0], None, [4.0], [0.0, 0.5]]
    values = np.concatenate([row for row in rows if row])
    found = told({"x": rows})["features"]["x"]
    assert found.pop("histogram")[0][0] == -2.0
    assert found == {
        "kind": "number", "present": 3, "missing": 1, "values": 6, "least_values": 1, "most_values": 3,
        "mean_values": 2.0, "mean": pytest.approx(values.mean()), "std_dev": pytest.approx(values.std()),
        "min": -2.0, "median": pytest.approx(np.median(values), abs=0.5), "max": 4.0, "zeros": 2, "nan": 0,
    }  # fmt: skip


def test_the_histogram_is_that_of_numpy():
    values = np.random.default_rng(3).normal(size=4000).astype(np.float32)
    found = told({"x": values.reshape(-1, 4).tolist()})["features"]["x"]["histogram"]
    counts, edges = np.histogram(values, bins=10)
    np.testing.assert_allclose([low for low, _, _ in found], edges[:-1], rtol=1e-5)
    np.testing.assert_allclose([high for _, high, _ in found], edges[1:], rtol=1e-5)
    np.testing.assert_allclose([count for _, _, count in found], counts, atol=0.02 * 4000)
    assert sum(count for _, _, count in found) == pytest.approx(4000, abs=0.1)


def test_a_category_has_its_most_frequent_values():
    texts = [chr(ord("a") + place) for place in range(12) for _ in range(12 - place)]
    found = told({"x": [[text] for text in texts]}, {"x": "category"})["features"]["x"]
    assert (found["kind"], found["unique"], found["values"]) == ("category", 12, len(texts))
    assert found["top"] == [[chr(ord("a") + place), 12 - place] for place in range(10)]


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        ("float", [1.0], "number"), ("integer", [1], "number"), ("category", ["a"], "category"),
        ("text", ["a b"], "text"), (None, [1.0], "number"), (None, ["a"], "category"),
    ],
)  # fmt: skip
def test_the_kind_is_the_known_one_else_that_of_the_values(kind, values, expected):
    found = told({"x": [values]}, {"x": kind} if kind else {})
    assert found["features"]["x"]["kind"] == expected


def test_what_ingest_writes_beside_the_features_the_label_and_slices_are_none():
    names = ["sequence_id", "series_id", "label", "site", "x"]
    numbers = ["sequence_length", "window_start", "step_time", "label_time"]
    found = told({name: [["a"]] for name in names} | {name: [[1]] for name in numbers}, slices=("site",))
    assert list(found["features"]) == ["x"]


def test_lengths_are_those_of_the_sequences():
    found = told({"sequence_length": [[3], [5], [5], [7]]})
    assert found["sequences"] == 4
    lengths = found["lengths"]
    assert (lengths["min"], lengths["mean"], lengths["max"], lengths["values"]) == (3, 5, 7, 4)
    assert found["times"] is found["labels"] is None


def test_classes_are_counted_the_most_frequent_first_and_of_very_many_the_rest_together():
    few = told({"label": [["b"], ["a"], ["b"]]})["labels"]
    assert few == {"classes": [["b", 2], ["a", 1]], "others": 0}
    many = told({"label": [["often"]] * 5 + [[f"c{place}"] for place in range(150)]})["labels"]
    assert many["classes"][0] == ["often", 5]
    assert (len(many["classes"]), many["others"]) == (100, 51)


def test_a_label_that_is_a_number_is_summarised_and_generation_has_none():
    found = told({"label": [[1.5], [2.5]]})["labels"]
    assert (found["kind"], found["mean"], found["min"]) == ("number", 2.0, 1.5)
    assert told({"label": [[1.5]], "x": [[1.0]]}, label=None)["labels"] is None


@pytest.mark.parametrize(
    ("kind", "scale"), [("timestamp[us]", 10**6), ("timestamp[ns]", 10**9), ("int64", 1), ("double", 10**6)]
)
def test_times_are_told_in_the_unit_of_the_source_or_in_seconds(kind, scale):
    first = 1_422_886_740
    rows = [[first * scale, (first + 60) * scale], [(first + 600) * scale]]
    found = told({"step_time": rows}, time=kind)["times"]["histogram"]
    assert (found[0][0], found[-1][1]) == pytest.approx((first, first + 600), abs=1e-3)
    assert sum(count for _, _, count in found) == pytest.approx(3, abs=0.01)
    of = statistics_json({}, Columns({}, None, time=kind))
    assert of["time"] == ("timestamp" if kind.startswith("timestamp") else "number")


def test_without_times_there_is_no_unit():
    assert statistics_json({}, Columns({}, None)) == {"time": None, "splits": {}}


@pytest.mark.filterwarnings("ignore:invalid value")  # of TFDV
def test_what_is_not_finite_is_null():
    found = told({"x": [[1.0, math.inf], [math.nan, -math.inf]]})["features"]["x"]
    assert (found["min"], found["max"], found["nan"]) == (None, None, 1)


def test_a_feature_without_any_value_has_no_figures():
    nothing = statistics_pb2.DatasetFeatureStatistics(num_examples=2)
    feature = nothing.features.add(num_stats=statistics_pb2.NumericStatistics())
    feature.path.step.append("x")
    feature.num_stats.common_stats.num_missing = 2
    found = statistics_json({"train": nothing}, Columns({}, None))["splits"]["train"]["features"]["x"]
    assert (found["missing"], found["present"], found["mean"], found["max"]) == (2, 0, None, None)
    assert found["histogram"] == []


def test_text_that_is_not_utf_8_does_no_harm():
    found = told({"x": [[b"\xff\xfe"], [b"a"], [b"a"]]})["features"]["x"]
    assert found["top"][0] == ["a", 2]
    assert found["unique"] == 2


def test_it_is_read_from_the_artifact_of_both_splits(tmp_path: Path):
    for split, rows in (("train", [[1.0], [2.0]]), ("eval", [[3.0]])):
        (tmp_path / f"Split-{split}").mkdir()
        written = statistics_pb2.DatasetFeatureStatisticsList(datasets=[measured({"x": rows})])
        (tmp_path / f"Split-{split}" / "FeatureStats.pb").write_bytes(written.SerializeToString())
    found = statistics_json(read(str(tmp_path)), Columns({}, None))["splits"]
    assert [(split, one["sequences"]) for split, one in found.items()] == [("train", 2), ("eval", 1)]


def test_three_hundred_features_take_a_moment():
    random = np.random.default_rng(1)
    one = measured({f"x{at}": random.normal(size=(50, 3)).tolist() for at in range(300)})
    seconds = []
    for _ in range(3):
        begun = time.thread_time()
        statistics_json({"train": one, "eval": one}, Columns({}, None))
        seconds.append(time.thread_time() - begun)
    assert min(seconds) < 0.2
