"""Metrics of models that continue a sequence, as one TFMA metric: of tokens, or of numbers.

Every example is a window or a text that the model was asked about; metrics are of all its tokens, or
values, together, so that a long text counts more than a short one.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from tensorflow_model_analysis.metrics import metric_types

from components.trainer.metrics.bleu import Overlap, overlap
from components.trainer.metrics.combiner import Answer, Table, computations, numbers

OF_TOKENS = ("log_loss", "perplexity", "bits_per_token", "accuracy", "bleu")
OF_VALUES = ("mse", "rmse", "mae")

_SUMMED = ("log_likelihood", "tokens", "correct", "squared_error", "absolute_error", "values")


@dataclass
class Generation:
    """What the metrics of one slice are computed from.

    Attributes:
      sums: over examples, of the answers that are numbers, by name.
      overlap: n-grams that continuations share with the texts they are held against.
    """

    sums: dict[str, float] = field(default_factory=dict)
    overlap: Overlap = field(default_factory=Overlap)

    def add(self, labels: Sequence[Any], answers: Sequence[Answer]) -> None:
        """Adds examples by the model's answers alone.

        Of tokens: `log_likelihood` (natural logarithm, summed over the tokens), `tokens` (how many),
        `correct` (of how many the likeliest one was right), `continuation` and `reference`, token ids
        [n] with 0 as padding on the right. Of numbers: `squared_error` and `absolute_error`, summed over
        the values, and `values` (how many).
        """
        del labels  # what comes next in the sequence is the truth, and the model was asked with it
        columns: dict[str, Any] = {
            name: numbers(answer[name] for answer in answers) for name in _SUMMED if name in answers[0]
        }
        if "continuation" in answers[0]:
            columns |= {name: [answer[name] for answer in answers] for name in ("continuation", "reference")}
        self.add_columns(columns)

    def add_columns(self, columns: Mapping[str, Any]) -> None:
        """Adds n examples at once: of each answer that `add` names the values, [n], or n texts of tokens."""
        for name in _SUMMED:
            if name in columns:
                self._sum(name, float(np.sum(columns[name])))
        if "continuation" in columns:
            self.overlap += overlap(columns["continuation"], columns["reference"])

    def merge(self, other: "Generation") -> None:
        """Adds what another part of the data counted."""
        for name, total in other.sums.items():
            self._sum(name, total)
        self.overlap += other.overlap

    def metrics(self) -> dict[str, float | Table]:
        """Every metric by name: of tokens, or of numbers where the model answers these.

        `log_loss` is in nats per token, `perplexity` its exponential, `accuracy` the share of tokens that
        were the likeliest, `bleu` the score from 0 to 100 of greedy continuations against the texts that
        really followed. NaN without tokens, or where a likelihood is no number.
        """
        if not self.sums:
            return {}
        return {**(self._of_values() if "values" in self.sums else self._of_tokens())}

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


class GenerationMetrics(metric_types.Metric):
    """Metrics of a model that continues sequences; see `Generation.add` for what it answers."""

    def __init__(self, name: str = "generation_metrics") -> None:
        super().__init__(_computations, name=name)


def _computations(
    name: str = "", model_names: Sequence[str] | None = None
) -> list[metric_types.MetricComputation]:
    del name
    return computations(Generation, model_names)
