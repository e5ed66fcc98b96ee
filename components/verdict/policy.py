"""What a model is held to: the configuration's bounds, and the default policy of its task."""

from collections.abc import Sequence

from components.verdict.slices import has_classes, has_default
from pipeline.config import Config, Threshold

# The least that anyone should ship, chosen so that guessing cannot reach it; a product needs its own bounds.
_LEAST = 0.60  # precision and recall of the rarer class; recall, the mean over the classes
_LEAST_OF_WORST = 0.40  # recall of each single class
_LEAST_R2 = 0.10

ACCURACY = ("accuracy", "precision_micro", "recall_micro", "f1_micro")  # the same of one class a sequence

LOWER_IS_BETTER = (
    "log_loss", "perplexity", "bits_per_token", "calibration_error", "top_3_error", "top_5_error",
    "mse", "rmse", "mae",
)  # fmt: skip
NEITHER_IS_BETTER = ("bias",)

# What a model has to beat the trivial models by; of generation what there is of it.
BEATEN = {
    "binary": ("auc_macro",),
    "multiclass": ("auc_macro",),
    "regression": ("rmse", "r2"),
    "generation": ("perplexity", "rmse"),
}


def stated_thresholds(config: Config) -> list[Threshold]:
    """The bounds that are known before any data is: those of the configuration, and of the default policy."""
    stated = config.gate.thresholds
    thresholds: list[Threshold] = []
    for threshold in ("default",) if stated is None else stated:
        thresholds += [threshold] if isinstance(threshold, Threshold) else _default(config)
    return thresholds


def of_rarer_class(config: Config, classes: Sequence[str], examples: Sequence[int]) -> list[Threshold]:
    """The default policy of `binary`: precision and recall of the class with fewer examples.

    Args:
      config: of the run; other tasks and policies get nothing.
      classes: of the model; of two with as many examples it is the last, the positive one.
      examples: of each class in the evaluation split.
    """
    if config.task != "binary" or not has_default(config):
        return []
    rarer = classes[0] if examples[0] < examples[-1] else classes[-1]
    return [Threshold(metric=f"{name}[{rarer}]", min=_LEAST) for name in ("precision", "recall")]


def _default(config: Config) -> list[Threshold]:
    if config.task == "multiclass":
        return [
            Threshold(metric="recall_macro", min=_LEAST),
            Threshold(metric="recall_macro", min=_LEAST_OF_WORST, slice="label"),
        ]
    if config.task == "regression":
        return [Threshold(metric="r2", min=_LEAST_R2)]
    return []  # binary: once the rarer class is known; generation: the trivial models


def accuracy_alone(config: Config) -> bool:
    """Whether nothing but accuracy is asked of a classifier."""
    stated = config.gate.thresholds or ()
    return (
        has_classes(config)
        and bool(stated)
        and all(isinstance(one, Threshold) and one.metric in ACCURACY for one in stated)
    )


PARADOX = (
    "gate.thresholds: accuracy alone cannot tell a good model from a useless one: where 2 % of the "
    "sequences are positive, a model that finds none of them has an accuracy of 0.98 and a recall of 0; "
    "add bounds on recall and precision, or `default`"
)
