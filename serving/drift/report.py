"""The whole comparison of a log with the run that made the served version."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from components.auditor import records
from components.auditor.contract import BYTES
from components.auditor.records import Damaged
from components.auditor.tables import TRAIN
from components.ingest.names import argument_name
from components.transform.preprocessing import vocabulary_name
from pipeline import locations
from pipeline.config import Config
from serving.drift import baseline, logged
from serving.drift.logged import Log
from serving.drift.measures import FALSE_ALARM, Measured, measure
from serving.drift.texts import Words, words
from serving.drift.training_run import TrainingRun, find

_TRAINING_TEXTS = 20_000
_SMALL = 200  # sequences below which chance explains most of what is measured


@dataclass(frozen=True)
class Report:
    """What `sluice drift` says."""

    run: TrainingRun
    log: Log
    files: int
    measured: list[Measured]
    notes: list[str]

    @property
    def drifted(self) -> bool:
        """Whether anything is beyond its bound."""
        return any(one.beyond for one in self.measured)

    def as_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return {
            "run_id": self.run.run_id,
            "version": self.run.version,
            "files": self.files,
            "sequences": self.log.sequences,
            "steps": self.log.steps,
            "drifted": self.drifted,
            "false_alarm": FALSE_ALARM,
            "measures": [one.as_json() for one in self.measured],
            "notes": self.notes,
        }


def compare(config: Config, where: str) -> Report:
    """Compares a log with training.

    Args:
      config: whose model it is.
      where: folder, file or glob of the log.

    Raises:
      ConfigError: no run, no log, or one of another model.
    """
    files = logged.files_of(where)
    run = find(config)
    trained = baseline.read(run.statistics, run.kinds)
    log = logged.count(files, trained)
    sides, notes = _words(config, run, log)
    measured = measure(trained, log, config.drift, sides, _overlap(config))
    return Report(run, log, len(files), measured, [*_notes(run, log), *notes])


def _overlap(config: Config) -> float:
    """Share of the windows that count: of those that overlap, as many as would not."""
    window = config.data.window
    return min(1.0, window.stride / window.length) if window else 1.0


def _notes(run: TrainingRun, log: Log) -> Iterator[str]:
    if run.version is None:
        yield f"no run on record pushed what is served; compared with run {run.run_id}"
    if log.sequences < _SMALL:
        yield f"{log.sequences} sequences are few: only large changes can be told from chance"
    if log.unreadable:
        yield f"{log.unreadable:,} records are no tf.Example; they were left out"
    yield from log.damaged


def _words(config: Config, run: TrainingRun, log: Log) -> tuple[Mapping[str, tuple[Words, Words]], list[str]]:
    """The words of the features of text, in training and in the log; and why some are not compared."""
    texts = [name for name, kind in run.kinds.items() if kind == "text"]
    found, notes = {}, []
    for name in texts:
        vocabulary, trained = _vocabulary(run, name), _training_texts(run, name)
        if vocabulary is None or not trained:
            lost = "its vocabulary is" if vocabulary is None else "its training texts are"
            notes.append(f"{argument_name(name)}: words are not compared, for {lost} not there")
            continue
        sides = [
            words(one, vocabulary, generation=config.task == "generation")
            for one in (trained, log.features[name].texts)
        ]
        found[name] = (sides[0], sides[1])
    return found, notes


def _vocabulary(run: TrainingRun, name: str) -> bytes | None:
    path = f"{run.export}/assets/{vocabulary_name(name)}"
    return locations.read_bytes(path) if run.export and locations.is_file(path) else None


def _training_texts(run: TrainingRun, name: str) -> list[bytes]:
    texts: list[bytes] = []
    try:
        for source in records.sources(run.examples, [TRAIN]):
            for batch in records.read(source, {name: BYTES}, 1024):
                if name in batch.columns:
                    texts += batch.columns[name].values.to_pylist()
                if len(texts) >= _TRAINING_TEXTS:
                    return texts[:_TRAINING_TEXTS]
    except Damaged:
        pass  # what could be read is a sample as well
    return texts
