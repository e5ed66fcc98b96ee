"""Metrics of models that continue a sequence, as one TFMA metric: of tokens, or of numbers.

Every example is a window or a text that the model was asked about; metrics are of all its tokens, or
values, together, so that a long text counts more than a short one.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from tensorflow_model_analysis.metrics import metric_types

from components.trainer.metrics.bleu import Overlap, overlap, padded
from components.trainer.metrics.combiner import Answer, Table, computations, numbers
from components.trainer.metrics.packing import packed
from components.trainer.metrics.sample import Sample, hashes_of

OF_TOKENS = ("log_loss", "perplexity", "bits_per_token", "accuracy", "bleu")
OF_VALUES = ("mse", "rmse", "mae")

CONTINUATIONS = "continuations"
TEXTS = ("prompt", "continuation", "reference")
SHOWN_TOKENS = 50  # at most of each of these texts

_SHOWN = 10  # examples whose texts are shown
_SUMMED = ("log_likelihood", "tokens", "correct", "squared_error", "absolute_error", "values")


@dataclass
class Generation:
    """What the metrics of one slice are computed from.

    Attributes:
      sums: over examples, of the answers that are numbers, by name.
      overlap: n-grams that continuations share with the texts they are held against.
      sample: of some examples the ids of the `TEXTS`, one beside the other, 50 of each.
    """

    sums: dict[str, float] = field(default_factory=dict)
    overlap: Overlap = field(default_factory=Overlap)
    sample: Sample = field(default_factory=lambda: Sample(_SHOWN, distinct=True))

    def add(self, labels: Sequence[Any], answers: Sequence[Answer]) -> None:
        """Adds examples by the model's answers alone.

        Of tokens: `log_likelihood` (natural logarithm, summed over the tokens), `tokens` (how many),
        `correct` (of how many the likeliest one was right), `continuation` and `reference`, token ids
        [n] with 0 as padding on the right, and, not of earlier models, the `prompt`. Of numbers:
        `squared_error` and `absolute_error`, summed over the values, and `values` (how many).
        """
        del labels  # what comes next in the sequence is the truth, and the model was asked with it
        columns: dict[str, Any] = {
            name: numbers(answer[name] for answer in answers) for name in _SUMMED if name in answers[0]
        }
        if "continuation" in answers[0]:
            told = [name for name in TEXTS if name in answers[0]]
            columns |= {name: [answer[name] for answer in answers] for name in told}
        self.add_columns(columns)

    def add_columns(self, columns: Mapping[str, Any]) -> None:
        """Adds n examples at once: of each answer that `add` names the values, [n], or n texts of tokens."""
        for name in _SUMMED:
            if name in columns:
                self._sum(name, float(np.sum(columns[name])))
        if "continuation" in columns:
            self.overlap += overlap(columns["continuation"], columns["reference"])
        if "prompt" in columns:
            self._choose(columns)

    def merge(self, other: "Generation") -> None:
        """Adds what another part of the data counted."""
        for name, total in other.sums.items():
            self._sum(name, total)
        self.overlap += other.overlap
        self.sample += other.sample

    def metrics(self) -> dict[str, float | Table]:
        """Every metric by name: of tokens, or of numbers where the model answers these.

        `log_loss` is in nats per token, `perplexity` its exponential, `accuracy` the share of tokens that
        were the likeliest, `bleu` the score from 0 to 100 of greedy continuations against the texts that
        really followed. NaN without tokens, or where a likelihood is no number. Beside the numbers is a
        table where prompts are known: the texts of up to ten examples, packed in one cell.
        """
        if not self.sums:
            return {}
        found: dict[str, float | Table]
        found = {**(self._of_values() if "values" in self.sums else self._of_tokens())}
        if len(rows := self.sample.rows):
            found[CONTINUATIONS] = np.array([[packed(rows)]], dtype=object)
        return found

    def _choose(self, columns: Mapping[str, Any]) -> None:
        """Takes examples into the sample, by their prompts and what followed, not by what the model says."""
        prompts, continuations, references = (_shown(columns[name]) for name in TEXTS)
        told = prompts.any(axis=1) & references.any(axis=1)
        rows = np.concatenate([prompts, continuations, references], axis=1)[told]
        asked = np.concatenate([prompts, references], axis=1)[told]
        self.sample = self.sample.plus(hashes_of(asked), rows)

    def _sum(self, name: str, total: float) -> None:
        self.sums[name] = self.sums.get(name, 0.0) + total

    def _of_tokens(self) -> dict[str, float]:
        tokens = self.sums["tokens"]
        log_loss = -self.sums["log_likelihood"] / tokens if tokens else math.nan
        if math.isnan(log_loss):
            return dict.fromkeys(OF_TOKENS, math.nan)
        with np.errstate(over="ignore"):
            perplexity = float(np.exp(log_loss))
        return {
            "log_loss": log_loss,
            "perplexity": perplexity,
            "bits_per_token": log_loss / math.log(2),
            "accuracy": self.sums["correct"] / tokens,
            "bleu": self.overlap.bleu(),
        }

    def _of_values(self) -> dict[str, float]:
        values = self.sums["values"]
        if not values:
            return dict.fromkeys(OF_VALUES, math.nan)
        mse = self.sums["squared_error"] / values
        return {"mse": mse, "rmse": math.sqrt(mse), "mae": self.sums["absolute_error"] / values}


def _shown(texts: Sequence[Any]) -> npt.NDArray[np.float64]:
    """Texts of token ids as rows of one width."""
    ids = padded(texts)[:, :SHOWN_TOKENS]
    return np.pad(ids, ((0, 0), (0, SHOWN_TOKENS - ids.shape[1]))).astype(np.float64)


class GenerationMetrics(metric_types.Metric):
    """Metrics of a model that continues sequences; see `Generation.add` for what it answers."""

    def __init__(self, name: str = "generation_metrics") -> None:
        super().__init__(_computations, name=name)


def _computations(
    name: str = "", model_names: Sequence[str] | None = None
) -> list[metric_types.MetricComputation]:
    del name
    return computations(Generation, model_names)
