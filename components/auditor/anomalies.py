"""TFDV's Anomalies: what stock ExampleValidator found, and the auditor's findings in the same form."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import tensorflow as tf
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2

from components.auditor.checks import ERROR, WARNING
from components.auditor.findings import BOTH_SPLITS, Draft, Finding
from pipeline.config import RESERVED_FEATURES

_FILE = "SchemaDiff.pb"
_Info = anomalies_pb2.AnomalyInfo
# What a check of ours says of the same feature in the same split, it says with ids; once is enough.
_SAID_BY = frozenset(
    {
        "missing-feature", "unexpected-feature", "wrong-type", "token-out-of-range", "label-domain",
        "label-missing", "length-mismatch",
    }
)  # fmt: skip


def read_anomalies(uri: str, splits: Sequence[str]) -> dict[str, anomalies_pb2.Anomalies]:
    """TFDV's Anomalies of each split, from an ExampleAnomalies artifact."""
    found = {}
    for split in splits:
        with tf.io.gfile.GFile(f"{uri}/Split-{split}/{_FILE}", "rb") as file:
            found[split] = anomalies_pb2.Anomalies.FromString(file.read())
    return found


def schema_anomalies(
    anomalies: Mapping[str, anomalies_pb2.Anomalies], own: Iterable[Draft] = ()
) -> Iterator[Draft]:
    """Findings of `schema-anomaly`: what TFDV's comparison of statistics with the schema found.

    What our own checks found in the same feature and split is not said twice. The schema of a small
    training split lists its sequence ids as a domain, and a schema that was written for the source
    does not have what ingest adds: both are as they should be.

    Args:
      anomalies: split to TFDV's Anomalies.
      own: findings of other checks.
    """
    said = {(draft.split, draft.feature) for draft in own if draft.check in _SAID_BY}
    empty = {draft.split for draft in own if draft.check == "split-too-small" and draft.severity == ERROR}
    for split, found in anomalies.items():
        for feature, info in sorted(found.anomaly_info.items()):
            if (
                (split, feature) in said
                or split in empty
                or (feature in RESERVED_FEATURES and _about_names(info))
            ):
                continue
            severity = ERROR if info.severity == _Info.ERROR else WARNING
            message = info.description or info.short_description
            yield Draft("schema-anomaly", severity, split, feature, message, 1)


def _about_names(info: anomalies_pb2.AnomalyInfo) -> bool:
    """Whether only names are at odds: ids that are new, or a feature that the schema does not list."""
    kinds = {reason.type for reason in info.reason}
    return bool(kinds) and kinds <= {_Info.ENUM_TYPE_UNEXPECTED_STRING_VALUES, _Info.SCHEMA_NEW_COLUMN}


def as_anomalies(
    findings: Sequence[Finding], schema: schema_pb2.Schema, split: str
) -> anomalies_pb2.Anomalies:
    """The findings of a split as TFDV's Anomalies, which its `display_anomalies` shows.

    A finding stands under its feature, or under the name of its check where it is about sequences.
    """
    made = anomalies_pb2.Anomalies(baseline=schema)
    by_place: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.split in (split, BOTH_SPLITS):
            by_place.setdefault(finding.feature or finding.check, []).append(finding)
    for place, here in by_place.items():
        info = made.anomaly_info[place]
        info.path.step.append(place)
        info.severity = _Info.ERROR if any(one.severity == ERROR for one in here) else _Info.WARNING
        for finding in here:
            info.reason.add(
                type=_Info.UNKNOWN_TYPE, short_description=finding.check, description=finding.message
            )
        info.short_description = ", ".join(dict.fromkeys(finding.check for finding in here))
        info.description = "; ".join(f"{finding.message} ({finding.fix})" for finding in here)
    return made


def write_anomalies(
    uri: str, findings: Sequence[Finding], schema: schema_pb2.Schema, splits: Sequence[str]
) -> None:
    """Writes an ExampleAnomalies artifact as ExampleValidator does."""
    for split in splits:
        folder = f"{uri}/Split-{split}"
        tf.io.gfile.makedirs(folder)
        with tf.io.gfile.GFile(f"{folder}/{_FILE}", "wb") as file:
            file.write(as_anomalies(findings, schema, split).SerializeToString())
