"""What is wrong with the data, as findings with a name, a severity and a remedy."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from tensorflow_metadata.proto.v0 import anomalies_pb2

IDS = ("sequence_id", "series_id")


@dataclass(frozen=True)
class Finding:
    """One finding of one check, as it stands in validation.json."""

    check: str
    severity: str
    split: str
    feature: str
    message: str
    count: int
    examples: tuple[str, ...]
    fix: str

    def as_json(self) -> dict[str, object]:
        """The finding as a JSON object."""
        return {**asdict(self), "examples": list(self.examples)}


def schema_anomalies(anomalies: Mapping[str, anomalies_pb2.Anomalies]) -> list[Finding]:
    """Findings of `schema-anomaly`: what TFDV's comparison of statistics with the schema found.

    The schema of a small training split lists its sequence ids as a domain. That other splits have
    other ids is as it should be, and no finding.

    Args:
      anomalies: split to TFDV's Anomalies.
    """
    return [
        Finding(
            check="schema-anomaly",
            severity="error" if info.severity == anomalies_pb2.AnomalyInfo.ERROR else "warning",
            split=split,
            feature=feature,
            message=info.description or info.short_description,
            count=1,
            examples=(),
            fix="correct the data, or review the schema and give it as `schema:`",
        )
        for split, found in anomalies.items()
        for feature, info in sorted(found.anomaly_info.items())
        if not _new_ids_only(feature, info)
    ]


def _new_ids_only(feature: str, info: anomalies_pb2.AnomalyInfo) -> bool:
    kinds = {reason.type for reason in info.reason}
    return feature in IDS and kinds == {anomalies_pb2.AnomalyInfo.ENUM_TYPE_UNEXPECTED_STRING_VALUES}


def errors(findings: Iterable[Finding]) -> list[Finding]:
    """The findings that refuse the data."""
    return [finding for finding in findings if finding.severity == "error"]
