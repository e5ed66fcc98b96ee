"""Findings made from TFDV's own comparison of statistics with a schema."""

import pandas as pd
import tensorflow_data_validation as tfdv

from components.auditor.findings import errors, schema_anomalies


def anomalies(rows: dict[str, list[object]]):
    schema = tfdv.infer_schema(
        tfdv.generate_statistics_from_dataframe(pd.DataFrame({"kind": ["a", "b"] * 5}))
    )
    return tfdv.validate_statistics(tfdv.generate_statistics_from_dataframe(pd.DataFrame(rows)), schema)


def test_a_class_the_schema_does_not_know_is_an_error_with_a_remedy():
    found = schema_anomalies(
        {"train": anomalies({"kind": ["a", "b"]}), "eval": anomalies({"kind": ["a", "z"]})}
    )
    (finding,) = errors(found)
    assert (finding.check, finding.split, finding.feature) == ("schema-anomaly", "eval", "kind")
    assert "z" in finding.message
    assert "schema" in finding.fix
    assert set(finding.as_json()) == {
        "check", "severity", "split", "feature", "message", "count", "examples", "fix",
    }  # fmt: skip


def test_other_ids_in_another_split_are_no_finding():
    train = pd.DataFrame({"sequence_id": ["s1", "s2"]})
    schema = tfdv.infer_schema(tfdv.generate_statistics_from_dataframe(train))
    other = tfdv.generate_statistics_from_dataframe(pd.DataFrame({"sequence_id": ["s3"]}))
    found = tfdv.validate_statistics(other, schema)
    assert "sequence_id" in found.anomaly_info  # what stock TFX makes of them
    assert schema_anomalies({"eval": found}) == []


def test_data_that_fits_its_schema_has_no_finding():
    assert schema_anomalies({"eval": anomalies({"kind": ["b", "a"]})}) == []
