"""Real data sets: clean ones have no error and no untrue leakage warning; what is in others is found."""

import gzip
import json

import apache_beam as beam
import pytest
import tensorflow_data_validation as tfdv
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from components.auditor.component import audit
from components.ingest.component import write_splits
from pipeline.config_file import load
from tests.components.auditor.conftest import Audited, from_tfdv
from tests.components.ingest.test_real_data import CONFIGS

DRIFT = {"split-drift", "label-drift"}
GIVEN = ("split.by=given", "split.eval_fraction=null", "split.gap=0")


def audited(tmp_path, name, *overrides):
    """A configuration on its data, audited as in a run: with statistics, an inferred schema, anomalies."""
    config = load(CONFIGS / f"{name}.yaml", overrides)
    examples = tmp_path / "examples"
    write_splits(config, str(examples), beam.Pipeline(runner=FnApiRunner()))
    train = tfdv.generate_statistics_from_tfrecord(f"{examples}/Split-train/*")
    schema = tfdv.infer_schema(train, infer_feature_shape=False)
    statistics, anomalies = from_tfdv(examples, schema)
    folder = str(tmp_path / "findings")
    pipeline = beam.Pipeline(runner=FnApiRunner())
    found = audit(
        config,
        str(examples),
        schema=schema,
        statistics=statistics,
        anomalies=anomalies,
        folder=folder,
        pipeline=pipeline,
    )
    return Audited(found, tmp_path)


def given(folder, train, evaluated):
    return f"data.source.train={folder}/{train}", f"data.source.eval={folder}/{evaluated}"


def test_japanese_vowels_and_basic_motions_have_no_finding(tmp_path, shared_data):
    for name, stem in (("japanese_vowels", "JapaneseVowels"), ("basic_motions", "BasicMotions")):
        files = given(shared_data(name), f"{stem}_TRAIN.ts", f"{stem}_TEST.ts")
        assert audited(tmp_path / name, name, *files).findings == []


def test_engines_on_one_side_have_no_finding(tmp_path, shared_data):
    source = f"data.source={shared_data('cmapss')}/PM_train.txt"
    assert audited(tmp_path, "cmapss", source).findings == []


@pytest.mark.slow
def test_engines_on_both_sides_are_an_error(tmp_path, shared_data):
    source = f"data.source={shared_data('cmapss')}/PM_train.txt"
    found = audited(tmp_path, "cmapss", source, "split.by=order")
    assert found.errors == {"sequence-in-both-splits"}
    assert "of 94 series" in found.only("sequence-in-both-splits")["message"]


@pytest.mark.slow
def test_rows_divided_at_random_are_an_error(tmp_path, shared_data):
    rows = (shared_data("cmapss") / "PM_train.txt").read_text().splitlines(keepends=True)
    for name, part in (("train", [r for i, r in enumerate(rows) if i % 5]), ("eval", rows[::5])):
        (tmp_path / name).write_text("".join(part))
    files = (f"data.source={{train: {tmp_path}/train, eval: {tmp_path}/eval}}", *GIVEN)
    found = audited(tmp_path, "cmapss", *files)
    assert {"window-overlap", "sequence-in-both-splits"} <= found.errors


def occupancy(tmp_path, shared_data, *overrides):
    return audited(tmp_path, "occupancy", f"data.source={shared_data('occupancy')}/data*.txt", *overrides)


def test_occupancy_by_time_only_drifts(tmp_path, shared_data):
    found = occupancy(tmp_path, shared_data)
    assert (found.errors, found.warnings - DRIFT) == (set(), set())


@pytest.mark.slow
def test_occupancy_without_a_gap_is_told_so(tmp_path, shared_data):
    found = occupancy(tmp_path, shared_data, "split.gap=0")
    assert (found.errors, found.warnings - DRIFT) == (set(), {"gap-too-small"})


@pytest.mark.slow
def test_occupancy_divided_at_random_is_an_error(tmp_path, shared_data):
    header, *rows = (shared_data("occupancy") / "datatraining.txt").read_text().splitlines(keepends=True)
    for name, part in (("train", [r for i, r in enumerate(rows) if i % 5]), ("eval", rows[::5])):
        (tmp_path / name).write_text(header + "".join(part))
    files = (f"data.source={{train: {tmp_path}/train, eval: {tmp_path}/eval}}", *GIVEN)
    found = audited(tmp_path, "occupancy", *files)
    assert "window-overlap" in found.errors


@pytest.mark.slow
def test_the_label_five_minutes_ahead_is_an_error(tmp_path, shared_data):
    lines = [
        line
        for path in sorted(shared_data("occupancy").glob("data*.txt"))
        for line in path.read_text().splitlines()[1:]
    ]
    lines.sort(key=lambda line: line.split(",")[1])
    labels = [line.rsplit(",", 1)[1] for line in lines]
    (tmp_path / "rows.txt").write_text(
        "\n".join(
            [
                "header",
                *(f"{line},{ahead}" for line, ahead in zip(lines, [*labels[5:], *labels[:5]], strict=True)),
            ]
        )
    )
    columns = "data.columns=[row, date, Temperature, Humidity, Light, CO2, HumidityRatio, Occupancy, soon]"
    found = audited(tmp_path, "occupancy", f"data.source={tmp_path}/rows.txt", columns)
    assert found.errors == {"future-as-feature"}
    assert found.only("future-as-feature")["feature"] == "soon"


def test_repeated_messages_are_counted(tmp_path, shared_data):
    found = audited(tmp_path, "sms_spam", f"data.source={shared_data('sms_spam')}/SMSSpamCollection")
    repeated = [one["count"] for one in found.findings if one["check"] == "duplicate-within-split"]
    assert (len(repeated), sum(repeated)) == (2, 403)
    assert (found.errors, found.warnings) == (set(), {"duplicate-within-split", "near-duplicate"})


@pytest.mark.slow
def test_reviews_in_both_splits_and_the_rating_are_found(tmp_path, shared_data):
    files = given(shared_data("imdb"), "imdb_train_25k.csv.gz", "imdb_test_25k.csv.gz")
    severity = "audit.severity.duplicate-across-splits=error"
    features = ("data.features={text: text, rating: integer}", "data.ignore=[movie_id]", severity)
    found = audited(tmp_path, "imdb", *files, *features)
    assert found.errors == {"duplicate-across-splits", "label-as-feature"}
    assert found.only("label-as-feature")["feature"] == "rating"
    both = {text for text, _ in texts(files[0])} & {text for text, _ in texts(files[1])}
    assert len(both) == 123
    # A text that eval has twice is two sequences.
    assert found.only("duplicate-across-splits")["count"] == len([t for t, _ in texts(files[1]) if t in both])
    assert json.dumps(found.result)


def texts(override):
    import pandas as pd

    with gzip.open(override.split("=")[1], "rt", encoding="utf-8") as file:
        table = pd.read_csv(file)
    return list(zip(table["text"], table["rating"], strict=True))
