"""The data sets: what is given to each configuration, what it must reach, what was published."""

import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.accuracy.engines import RMSE, rmse_on_test_engines
from benchmarks.accuracy.runs import CHECKOUT, Outcome

SHARED = CHECKOUT.parent / "shared" / "data"
_SEQUENCES, _STEPS, _FEATURES = 1000, 10, 8  # of the random labels

Prepare = Callable[[Path, Path], dict[str, Any]]  # (folder of the data, a folder to write to) -> overrides


@dataclass(frozen=True)
class Claim:
    """A bound on the mean of a metric over the seeds.

    Attributes:
      metric: as in evaluation.json, or of `DataSet.also`.
      bound: that the mean must reach.
      published: what others reached, with their method.
      smaller: whether smaller is better.
    """

    metric: str
    bound: float
    published: str
    smaller: bool = False

    def holds(self, mean: float) -> bool:
        """Whether a mean reaches the bound; not one that is no number."""
        return mean <= self.bound if self.smaller else mean >= self.bound


@dataclass(frozen=True)
class DataSet:
    """A configuration and its data.

    Attributes:
      files: that must be there, below the folder of the data.
      claims: what must be reached.
      prepare: gives the overrides that name the data.
      also: measures what evaluation.json does not say, of a run whose model was pushed.
    """

    files: tuple[str, ...]
    claims: tuple[Claim, ...]
    prepare: Prepare
    also: Callable[[Outcome, Path], Mapping[str, float]] | None = None


def _given(train: str, evaluation: str) -> Prepare:
    return lambda data, _: {
        "data.source.train": str(data / train),
        "data.source.eval": str(data / evaluation),
    }


def _one(name: str) -> Prepare:
    return lambda data, _: {"data.source": str(data / name)}


def _messages_once(data: Path, home: Path) -> dict[str, Any]:
    """The messages without those that repeat an earlier one."""
    once: dict[str, str] = {}
    lines = (data / _MESSAGES).read_text(encoding="utf-8").split("\n")
    for line in filter(None, lines):
        once.setdefault(line.partition("\t")[2], line)
    path = home / "messages_once.txt"
    path.write_text("\n".join(once.values()) + "\n", encoding="utf-8")
    return {"data.source": str(path)}


def _demo(_: Path, home: Path) -> dict[str, Any]:
    path = home / "demo.csv"
    subprocess.run([sys.executable, "-m", "pipeline.demo_data", str(path)], check=True, cwd=CHECKOUT)
    return {"data.source": str(path)}


def _engines(outcome: Outcome, data: Path) -> dict[str, float]:
    assert outcome.pushed is not None
    return {RMSE: rmse_on_test_engines(outcome.pushed, data / "cmapss")}


def random_labels(path: Path, seed: int) -> None:
    """Writes random numbers with random labels, a row a step."""
    random = np.random.default_rng(seed)
    values = random.normal(size=(_SEQUENCES * _STEPS, _FEATURES)).round(4)
    table = pd.DataFrame(
        {
            "sequence_id": np.repeat([f"s{number:04d}" for number in range(_SEQUENCES)], _STEPS),
            "time": np.tile(np.arange(_STEPS), _SEQUENCES),
            **{f"f{place}": values[:, place] for place in range(_FEATURES)},
            "label": np.repeat(random.integers(0, 2, _SEQUENCES), _STEPS),
        }
    )
    table.to_csv(path, index=False)


_MESSAGES = "sms_spam/SMSSpamCollection"
_VOWELS = ("japanese_vowels/JapaneseVowels_TRAIN.ts", "japanese_vowels/JapaneseVowels_TEST.ts")
_MOTIONS = ("basic_motions/BasicMotions_TRAIN.ts", "basic_motions/BasicMotions_TEST.ts")
_REVIEWS = ("imdb/imdb_train_25k.csv.gz", "imdb/imdb_test_25k.csv.gz")
_TRAIN, _TEST, _TRUTH = "cmapss/PM_train.txt", "cmapss/PM_test.txt", "cmapss/PM_truth.txt"
_TEXT = "tinyshakespeare/input.txt"

SETS: Mapping[str, DataSet] = {
    "demo": DataSet((), (Claim("accuracy", 0.87, ""),), _demo),
    "japanese_vowels": DataSet(
        _VOWELS,
        (Claim("accuracy", 0.978, "echo-state RNN 0.965, LSTM-FCN 0.99"),),
        _given(*_VOWELS),
    ),
    "basic_motions": DataSet(
        _MOTIONS, (Claim("accuracy", 0.95, "DTW 0.953, ROCKET 0.99"),), _given(*_MOTIONS)
    ),
    "imdb": DataSet(
        _REVIEWS,
        (
            Claim("accuracy", 0.865, "GRU 0.849, 2 x BiLSTM 0.843"),
            Claim("auc", 0.935, "GRU 0.930"),
        ),
        _given(*_REVIEWS),
    ),
    "sms_spam": DataSet((_MESSAGES,), (Claim("f1", 0.944, "GRU 0.944"),), _messages_once),
    "cmapss": DataSet(
        (_TRAIN, _TEST, _TRUTH),
        (Claim(RMSE, 15.5, "deep LSTM 16.14, LSTM 14.93", smaller=True),),
        _one(_TRAIN),
        _engines,
    ),
    "tinyshakespeare": DataSet((_TEXT,), (Claim("log_loss", 1.60, "", smaller=True),), _one(_TEXT)),
}
