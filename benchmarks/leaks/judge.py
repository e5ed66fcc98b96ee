"""What the auditor and TFDV say about splits."""

import contextlib
import io
import logging
import tempfile
import time
import traceback
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import apache_beam as beam
import tensorflow_data_validation as tfdv
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from benchmarks.leaks import splits
from benchmarks.leaks.splits import Splits
from benchmarks.leaks.statistics import statistics_of
from components.auditor.component import audit

Reported = tuple[str, str, str, str, int, str]  # check, severity, split, feature, count, message


@dataclass(frozen=True)
class Judgement:
    """What was found in splits.

    Attributes:
      findings: of the auditor, as they stand in validation.json.
      anomalies: of TFDV: split, feature and kind.
      seconds: of the auditor.
      not_run: checks the auditor did not run.
      failure: the traceback's end, where the auditor or TFDV raised.
    """

    findings: tuple[Reported, ...] = ()
    anomalies: tuple[tuple[str, str, str], ...] = ()
    seconds: float = 0.0
    not_run: tuple[str, ...] = ()
    failure: str = ""

    @property
    def errors(self) -> set[str]:
        """Names of the checks that report an error."""
        return {check for check, severity, *_ in self.findings if severity == "error"}

    def severity_of(self, checks: Collection[str], clean: "Judgement") -> str:
        """The worst severity at which checks report what they do not report of the clean data.

        A finding of the same place counts where it concerns more than in the clean data, or as much and
        in other words, for the words say how far splits are apart. Empty: nothing.
        """
        before = {finding[:4]: finding[4:] for finding in clean.findings}
        found = {
            finding[1]
            for finding in self.findings
            if finding[0] in checks and _is_more(finding[4:], before.get(finding[:4]))
        }
        return "error" if "error" in found else "warning" if "warning" in found else ""


def _is_more(found: tuple[int, str], before: tuple[int, str] | None) -> bool:
    return before is None or found[0] > before[0] or (found[0] == before[0] and found[1] != before[1])


NOTHING = Judgement()


def judge(data: Splits) -> Judgement:
    """Writes the splits as a pipeline would, has TFDV compare them with the schema, and audits them."""
    try:
        with tempfile.TemporaryDirectory() as home, contextlib.redirect_stdout(io.StringIO()):
            return _judge(data, Path(home))
    except Exception as error:  # whatever a planted defect breaks is a result
        logging.debug("a planted defect broke the auditor", exc_info=True)
        last = traceback.extract_tb(error.__traceback__)[-1]
        return Judgement(
            failure=f"{type(error).__name__}: {error} ({Path(last.filename).name}:{last.lineno})"
        )


def _judge(data: Splits, home: Path) -> Judgement:
    tables = {"train": data.train, "eval": data.eval}
    for split, table in tables.items():
        splits.write(table, home / "examples" / f"Split-{split}")
    statistics = {split: statistics_of(splits.encoded(table)) for split, table in tables.items()}
    schema = data.schema or tfdv.infer_schema(statistics["train"], infer_feature_shape=False)
    anomalies = {split: tfdv.validate_statistics(found, schema) for split, found in statistics.items()}
    begin = time.perf_counter()
    found = audit(
        data.config,
        str(home / "examples"),
        schema=schema,
        statistics={split: one.datasets[0] for split, one in statistics.items()},
        anomalies=anomalies,
        folder=str(home / "audit"),
        pipeline=beam.Pipeline(runner=FnApiRunner()),
    )
    seconds = time.perf_counter() - begin
    return Judgement(
        findings=tuple(
            (one["check"], one["severity"], one["split"], one["feature"], one["count"], one["message"])
            for one in found["findings"]
        ),
        anomalies=tuple(
            (split, feature, info.short_description)
            for split, one in anomalies.items()
            for feature, info in sorted(one.anomaly_info.items())
        ),
        seconds=seconds,
        not_run=tuple(found.get("checks_not_run", ())),
    )
