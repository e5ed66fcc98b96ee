"""What is changed when a run is started is checked as in a configuration file."""

import pytest

from pipeline.at_start import with_source, with_thresholds
from pipeline.config import GivenSource, Threshold
from pipeline.config_file import load
from pipeline.errors import ConfigError

TEXT = """
name: demo
task: multiclass
data: {source: rows.csv, sequence_id: id, label: kind}
gate: {slices: [label], thresholds: [{metric: accuracy, min: 0.5}]}
split: {by: sequence}
"""


@pytest.fixture
def config(write):
    return load(write("sluice.yaml", TEXT), local_files=False)


def test_nothing_given_leaves_all_as_configured(config):
    assert with_source(config, "") is config
    assert with_thresholds(config, "") is config


@pytest.mark.parametrize(
    ("given", "source"),
    [
        ("/data/*.csv", ("/data/*.csv",)),
        ('["/a.csv", "/b.csv.gz"]', ("/a.csv", "/b.csv.gz")),
    ],
)
def test_a_source_is_a_path_or_a_list(config, given, source):
    assert with_source(config, given).data.source == source
    assert with_source(config, given).data.label == "kind"


def test_a_source_may_name_both_splits_where_they_are_given(write):
    text = TEXT.replace("source: rows.csv", "source: {train: t.csv, eval: e.csv}").replace(
        "split: {by: sequence}", ""
    )
    found = with_source(load(write("given.yaml", text), local_files=False), "{train: /a.csv, eval: /b.csv}")
    assert found.data.source == GivenSource(train=("/a.csv",), eval=("/b.csv",))
    with pytest.raises(ConfigError, match=r"data\.source\.eval: required, and missing"):
        with_source(found, "{train: /c.csv}")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("/data/a.parquet", "data.source: expected files of the format csv, got parquet"),
        ("[]", "data.source: expected at least one, got none"),
        ("7", "data.source: expected a list, got 7"),
        ("[/a.csv", 'data.source: the value is not valid YAML, got "[/a.csv"'),
        ("{train: /a.csv, eval: /b.csv}", "split.by: sequence contradicts data.source"),
    ],
)
def test_a_source_that_does_not_fit_is_refused(config, given, problem):
    with pytest.raises(ConfigError, match="the run was started with") as caught:
        with_source(config, given)
    assert any(problem in one for one in caught.value.problems), caught.value.problems


def test_bounds_take_the_place_of_the_configured_ones(config):
    found = with_thresholds(config, "[{metric: recall_macro, min: 0.9, slice: label}, default]")
    assert found.gate.thresholds == (Threshold(metric="recall_macro", min=0.9, slice="label"), "default")
    assert found.gate.slices == ("label",)


def test_a_slice_that_the_compiled_pipeline_does_not_measure_is_refused(write):
    by_length = load(
        write("length.yaml", TEXT.replace("slices: [label]", "slices: [sequence_length]")), local_files=False
    )
    with pytest.raises(ConfigError) as caught:
        with_thresholds(by_length, "[default]")  # the policy bounds each class
    assert caught.value.problems == ("gate.thresholds: add label to gate.slices and compile again",)


def test_every_bound_that_there_cannot_be_is_refused_in_one_message(config):
    bounds = (
        "{metric: recal_macro, min: 1}, {metric: accuracy, min: 2}, "
        "{metric: auc_macro, min: 0.1, slice: site}"
    )
    with pytest.raises(ConfigError, match="started with 3 mistakes") as caught:
        with_thresholds(config, f"[{bounds}]")
    assert caught.value.problems == (
        "gate.thresholds, recal_macro: no such metric for multiclass (did you mean recall_macro?)",
        "gate.thresholds, accuracy: it is 1 at most, and min is 2; did you mean 0.02?",
        "gate.thresholds, auc_macro: the slice site is neither in gate.slices nor in data.slices",
    )
