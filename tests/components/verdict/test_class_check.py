"""Classes that a configuration names are looked up in the training split's statistics."""

import json

import pandas as pd
import pytest
import tensorflow_data_validation as tfdv
from tfx import v1 as tfx

from components.verdict.class_check import ClassCheck, classes_of
from pipeline.errors import ConfigError


@pytest.fixture
def statistics(tmp_path):
    found = tfdv.generate_statistics_from_dataframe(pd.DataFrame({"kind": ["stop", "go", "go"]}))
    (tmp_path / "Split-train").mkdir()
    (tmp_path / "Split-train" / "FeatureStats.pb").write_bytes(found.SerializeToString())
    artifact = tfx.types.standard_artifacts.ExampleStatistics()
    artifact.uri = str(tmp_path)
    return artifact


def check(statistics, thresholds: str = "", label: str = "kind", **data: str) -> None:
    settings = {
        "name": "demo",
        "task": "binary",
        "data": {"source": "rows.csv", "label": label, "sequence_id": "id", **data},
        "gate": {"thresholds": [{"metric": "recall[stop]", "min": 0.5}]},
    }
    function = ClassCheck.EXECUTOR_SPEC.executor_class()._FUNCTION
    function(statistics=statistics, config=json.dumps(settings), thresholds=thresholds)


def test_a_class_that_does_not_occur_is_told_with_the_nearest(statistics):
    with pytest.raises(ConfigError) as caught:
        check(statistics, positive="stpo")
    assert caught.value.problems == (
        "data.positive: the training split has no class stpo (did you mean stop?)",
    )


def test_classes_that_occur_are_let_through(statistics):
    check(statistics, positive="go")


def test_bounds_that_a_run_was_started_with_are_looked_at_before_any_training(statistics):
    with pytest.raises(ConfigError) as caught:
        check(statistics, "[{metric: 'recall[stpo]', min: 0.8}]")
    assert caught.value.problems == (
        "gate.thresholds, recall[stpo]: the training split has no class stpo (did you mean stop?)",
    )
    with pytest.raises(ConfigError, match=r"gate\.thresholds, recal: no such metric for binary"):
        check(statistics, "[{metric: recal, min: 0.8}]")
    check(statistics, "[{metric: 'recall[go]', min: 0.8}]")


def test_where_the_statistics_do_not_have_every_class_nothing_is_refused(statistics):
    path = f"{statistics.uri}/Split-train/FeatureStats.pb"
    assert classes_of(path, "kind") == ["go", "stop"]
    assert classes_of(path, "other") == []
    check(statistics, label="other", positive="anything")
