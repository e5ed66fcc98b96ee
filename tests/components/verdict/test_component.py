"""What stands in verdict.json and evaluation.json."""

import base64
import json

import numpy as np
import pytest
from scipy import stats
from tfx import v1 as tfx

from components.trainer.metrics import curves, scores
from components.trainer.metrics.generation import Generation
from components.trainer.metrics.regression import Regression
from components.verdict.component import ModelGate, _bless, evaluation_json, verdict_json
from components.verdict.evaluation import SliceMetrics, _slice_metrics
from components.verdict.gates import judge
from components.verdict.shown import Words
from pipeline.errors import ModelRefused
from tests.components.verdict.evidence import configured, evidence, of_counts, slice_of

GOOD = of_counts(90, 10, 10, 90)
BOUND = {"thresholds": [{"metric": "recall", "min": 0.5}]}
GONE = "the last blessed model cannot be read any more"


def verdict(forced: str = "", no_baseline: str = "", **gate):
    config = configured(**(gate or BOUND))
    found = evidence(GOOD, **({"no_baseline": no_baseline} if no_baseline else {}))
    return verdict_json(config, judge(config, found, forced), forced)


def test_a_model_is_blessed_where_every_gate_let_it_through():
    assert verdict()["blessed"]
    assert not verdict(no_baseline=GONE)["blessed"]


def test_what_was_forced_is_on_record_and_what_was_not_is_not():
    forced = verdict("new sensors", no_baseline=GONE)
    assert (forced["blessed"], forced["forced"], forced["warnings"]) == (True, "new sensors", [])
    assert [one["gate"] for one in forced["decisions"] if one["forced"]] == ["drop"]
    needless = verdict("to be sure")
    assert needless["forced"] is None
    assert needless["warnings"] == [
        "--force-bless changed nothing: the model is no worse than the last blessed one"
    ]


def test_accuracy_alone_is_warned_about():
    (warning,) = verdict(thresholds=[{"metric": "accuracy", "min": 0.5}])["warnings"]
    assert "a model that finds none of them has an accuracy of 0.98 and a recall of 0" in warning


def test_every_metric_has_its_own_interval_and_all_of_it_is_json():
    found = evaluation_json(evidence(GOOD, train=[GOOD], trivial={"mean": {"rmse": None}}), 0.95)
    text = json.dumps(found, allow_nan=False)
    recall = json.loads(text)["slices"][0]["metrics"]["recall"]
    exact = stats.binomtest(90, 100).proportion_ci(0.95, method="exact")
    assert recall == {"value": 0.9, "lower": pytest.approx(exact.low), "upper": pytest.approx(exact.high)}
    assert found["train"][0]["metrics"]["recall"] == {"value": 0.9, "lower": None, "upper": None}
    assert found["slices"][0]["confusion_matrix"]["rows"] == {"no": [90, 10], "yes": [10, 90]}


def test_the_curves_stand_there_once_of_the_whole_evaluation_split():
    said = np.array([0.75, 0.75, 0.25])
    overall = slice_of(["yes", "no", "no"], np.stack([1 - said, said], axis=1), ["no", "yes"], binary=True)
    found = evaluation_json(evidence(overall, of_counts(1, 2, 3, 4, {"site": "a"}), train=[GOOD]), 0.95)
    assert found["curves"] == {
        "yes": {
            "negatives": 2,
            "positives": 1,
            "points": [[None, 0, 0], [0.75, 1, 1], [0.25, 2, 1]],
            "calibration": [
                {"from": 0.2, "to": 0.3, "sequences": 1, "positives": 0, "mean_probability": 0.25},
                {"from": 0.7, "to": 0.8, "sequences": 2, "positives": 1, "mean_probability": 0.75},
            ],
        }
    }
    assert all("curves" not in one for part in ("slices", "train") for one in found[part])


def test_without_classes_or_without_sequences_there_are_no_curves():
    numbers = SliceMetrics(slice={}, examples=3, metrics={"mse": 1.0})
    assert "curves" not in evaluation_json(evidence(numbers), 0.95)
    assert "curves" not in evaluation_json(evidence(), 0.95)


def test_curves_are_read_of_the_whole_split_alone():
    rows = curves.table({"a": scores.counted(np.array([0.0, 2.0]), np.array([False, True]))})
    values = {"curves": table(*rows.tolist()), "example_count": {"doubleValue": 2.0}}
    assert _slice_metrics((), values, {}).shown.curves["a"].points.tolist()[-1] == [0.5, 1, 1]
    assert _slice_metrics((("site", "x"),), values, {}).shown is None
    assert _slice_metrics((), values, {}).metrics == {}


def test_of_a_regression_labels_and_predictions_stand_there_in_their_order():
    tally = Regression()
    tally.add_columns(np.array([2.0, 1.0, 2.0]), np.array([2.5, 0.5, 1.5]))
    values = {"predictions": table(*tally.metrics()["predictions"].tolist())}
    values["example_count"] = {"doubleValue": 3.0}
    found = evaluation_json(evidence(_slice_metrics((), values, {})), 0.95)
    assert found["predictions"] == {"sequences": 3, "points": [[1.0, 0.5], [2.0, 1.5], [2.0, 2.5]]}
    assert "curves" not in found


def test_continuations_stand_there_as_text_where_the_tokens_are_known():
    tally, ids = Generation(), {"prompt": [2, 3, 0], "continuation": [3, 3, 0], "reference": [1, 4, 0]}
    counts = {"log_likelihood": -1.0, "tokens": 2, "correct": 1}
    tally.add([None], [{name: np.array(one) for name, one in (ids | counts).items()}])
    values = {"continuations": table(*tally.metrics()["continuations"].tolist())}
    values["example_count"] = {"doubleValue": 1.0}
    measured = evidence(_slice_metrics((), values, {}))
    assert "continuations" not in evaluation_json(measured, 0.95)
    for between, texts in ((" ", ["a b", "b b", "<unknown> \n"]), ("", ["ab", "bb", "<unknown>\n"])):
        found = evaluation_json(measured, 0.95, Words(["a", "b", "\n"], between))
        assert found["continuations"] == [dict(zip(ids, texts, strict=True))]


def table(*rows: list[str]) -> dict:
    """A table of text as TFMA writes it."""
    cells = [base64.b64encode(cell.encode()).decode() for row in rows for cell in row]
    return {"arrayValue": {"dataType": "BYTES", "shape": [len(rows), len(rows[0])], "bytesValues": cells}}


def test_of_very_many_classes_the_counts_are_read_from_their_table():
    counts = table(["a", "3", "4", "2"], ["b", "5", "3", "3"], ["new", "1", "", ""])
    values = {
        "class_counts": counts,
        "example_count": {"doubleValue": 9.0},
        "recall[a]": {"doubleValue": 2 / 3},
    }
    found = _slice_metrics((), values, {})
    assert (found.examples, found.confusion, found.counts.classes) == (9, None, ["a", "b"])
    assert found.counts.names == ["a", "b", "new"]
    np.testing.assert_array_equal(found.counts.actual, [3, 5, 1])
    np.testing.assert_array_equal(found.counts.predicted, [4, 3, 0])
    np.testing.assert_array_equal(found.counts.hits, [2, 3, 0])
    assert list(found.metrics) == ["recall[a]"]


def test_the_gate_ends_the_run_with_every_reason(tmp_path):
    blessing = tfx.types.standard_artifacts.ModelBlessing()
    blessing.uri = str(tmp_path)
    gate = ModelGate.EXECUTOR_SPEC.executor_class()._FUNCTION
    (tmp_path / "verdict.json").write_text(json.dumps(verdict()))
    gate(blessing=blessing)
    (tmp_path / "verdict.json").write_text(json.dumps(verdict(no_baseline=GONE)))
    with pytest.raises(ModelRefused) as caught:
        gate(blessing=blessing)
    assert caught.value.exit_code == 4
    assert caught.value.problems == (f"{GONE}: a drop cannot be ruled out",)


@pytest.mark.parametrize("blessed", [True, False])
def test_a_blessing_says_what_it_is_about_as_the_evaluator_did(tmp_path, blessed):
    proposal, made = (tfx.types.standard_artifacts.ModelBlessing() for _ in range(2))
    proposal.set_string_custom_property("current_model", "somewhere")
    proposal.set_string_custom_property("current_model_id", "projects/p/artifacts/7")  # as on Kubeflow
    made.uri = str(tmp_path)
    _bless(made, proposal, blessed=blessed)
    assert made.get_string_custom_property("current_model_id") == "projects/p/artifacts/7"
    assert made.get_string_custom_property("current_model") == "somewhere"
    assert made.get_int_custom_property("blessed") == int(blessed)
    assert [path.name for path in tmp_path.iterdir()] == ["BLESSED" if blessed else "NOT_BLESSED"]
