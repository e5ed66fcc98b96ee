"""From what was measured to the findings of every check."""

from collections.abc import Mapping

from tensorflow_metadata.proto.v0 import anomalies_pb2

from components.auditor.anomalies import schema_anomalies
from components.auditor.checks import CHECKS, OFF
from components.auditor.contract import Contract
from components.auditor.drift import drift
from components.auditor.expected import Expected
from components.auditor.findings import Draft, judged
from components.auditor.profile import Profile
from components.auditor.sample import Sample
from components.auditor.shape_findings import shape_findings
from components.auditor.signals import features_that_tell, labelled, order_that_tells, shortcuts
from components.auditor.split_findings import split_findings
from components.auditor.tally import Tally


def conclude(
    tally: Tally,
    sample: Sample,
    expected: Expected,
    contract: Contract,
    profile: Profile,
    severity: Mapping[str, str],
    from_tfdv: Mapping[str, bytes],
) -> list[Draft]:
    """The findings of every check, worst first.

    Args:
      tally: counts of all records.
      sample: some of them.
      expected: what the configuration says.
      contract: what the schema says.
      profile: what a first look found.
      severity: check to severity, where the configuration changes it.
      from_tfdv: split to what TFDV found, a serialized Anomalies.
    """
    drafts = [*shape_findings(tally, expected, contract, profile), *split_findings(tally, expected)]
    anomalies = {split: anomalies_pb2.Anomalies.FromString(found) for split, found in from_tfdv.items()}
    drafts += schema_anomalies(anomalies, drafts)
    if found := labelled(sample, expected, tally):
        drafts += features_that_tell(found, expected, profile)
        drafts += shortcuts(found, expected, profile)
    drafts += order_that_tells(sample, expected)
    drafts += drift(sample, expected, profile)
    return judged(drafts, severity)


def not_applicable(expected: Expected, features: Mapping[str, str]) -> dict[str, str]:
    """Checks that have nothing to look at, and why.

    Args:
      expected: what the configuration says.
      features: feature of the Examples to its type.
    """
    found: dict[str, str] = {}
    if expected.label is None:
        names = [name for name in CHECKS if "label" in name and name != "feature-after-label"]
        found |= dict.fromkeys(names, "the task has no label")
        found |= dict.fromkeys(("future-as-feature", "feature-after-label"), "the task has no label")
    if expected.regression:
        found |= {"label-domain": "the label is a number", "order-predicts-label": "the label is a number"}
    if not expected.windows:
        found |= dict.fromkeys(("window-overlap", "future-as-feature"), "no windows are cut")
    else:
        found |= dict.fromkeys(("length-predicts-label", "order-predicts-label"), "windows are cut")
    if expected.max_length is None:
        found["too-long"] = "data.max_length is not set"
    if "step_time" not in features:
        timed = ("time-not-increasing", "duplicate-timestamp", "feature-after-label")
        found |= dict.fromkeys(timed, "the data has no time")
        if not expected.windows:
            found["split-not-chronological"] = "the data has no time"
    if "label_time" not in features:
        found["feature-after-label"] = "the data has no label_time"
        if not expected.windows:
            found["gap-too-small"] = "the data has no label_time"
    if not expected.own_ids:
        found["id-predicts-label"] = "the source has no ids"
    return found


def checks_run(
    expected: Expected, features: Mapping[str, str], severity: Mapping[str, str]
) -> tuple[list[str], dict[str, str]]:
    """The checks that were run, and why the others were not."""
    not_run = {name: "switched off" for name, level in severity.items() if level == OFF}
    not_run |= not_applicable(expected, features)
    return [name for name in CHECKS if name not in not_run], {
        name: not_run[name] for name in CHECKS if name in not_run
    }
