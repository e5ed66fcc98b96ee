"""What a gate may have wrong, found before any training: what no model can meet, or what says nothing."""

from collections.abc import Iterator, Mapping

from components.verdict.policy import LOWER_IS_BETTER, NEITHER_IS_BETTER, stated_thresholds
from components.verdict.slices import BY_RULE, TIME, has_classes, sliced_by
from pipeline.config import Config, FeatureKind, Threshold
from pipeline.errors import ConfigError, SluiceError
from pipeline.words import nearest

AVERAGED = ("precision", "recall", "f1", "auc", "pr_auc")  # as <name>_macro, or <name>[class]
_OF_CLASSES = (
    "accuracy", "balanced_accuracy", "log_loss", "calibration_error",
    *(f"{name}_macro" for name in AVERAGED), "precision_micro", "recall_micro", "f1_micro",
)  # fmt: skip
_OF_NUMBERS = ("mse", "rmse", "mae")
# What each task can be held to; of a generation's tokens, or of its values where the sequence is of numbers.
METRICS = {
    "binary": (*AVERAGED, *_OF_CLASSES),  # without a suffix: of the positive class
    "multiclass": (*_OF_CLASSES, "top_3_error", "top_5_error"),
    "regression": (*_OF_NUMBERS, "r2", "bias"),
    "generation": ("log_loss", "perplexity", "bits_per_token", "accuracy", "bleu", *_OF_NUMBERS),
}
_UNBOUNDED = ("log_loss", "perplexity", "bits_per_token", *_OF_NUMBERS, "bias")  # all others end at 1
_LARGEST = {"bleu": 100.0}


def metric_names(task: str) -> list[str]:
    """The metrics a task can be held to; those of AVERAGED also as `name[class]` where it has classes."""
    return list(METRICS[task])


def classes_named(config: Config) -> list[tuple[str, str]]:
    """(key, class) of every class that the configuration names."""
    positive, weights = config.data.positive, config.training.class_weight
    named = [] if positive is None else [("data.positive", positive)]
    named += [("training.class_weight", text) for text in weights] if isinstance(weights, dict) else []
    return named + [
        (f"gate.thresholds, {one.metric}", one.metric.partition("[")[2].removesuffix("]"))
        for one in _thresholds(config)
        if _per_class(config, one.metric)
    ]


def gate_problems(config: Config) -> Iterator[str]:
    """What is wrong with the gate whatever the data holds."""
    for threshold in _thresholds(config):
        yield from _threshold_problems(config, threshold)
    yield from _slice_problems(config)
    gate = config.gate
    for key in ("max_overfit_gap", "max_drop"):
        most = getattr(gate, key)
        if most is not None and most > 1:
            yield f"gate.{key}: {most:g} is more than 100 %; expected a share, such as 0.01 for one hundredth"
    stated = [one.model_dump_json(exclude_none=True) for one in _thresholds(config)]
    for repeated in sorted({one for one in stated if stated.count(one) > 1}):
        yield f"gate.thresholds: {repeated} is given twice"
    if config.task == "generation" and gate.beat_trivial_by is None and not stated_thresholds(config):
        yield (
            "gate.beat_trivial_by: without it and without gate.thresholds nothing judges the model; give one"
        )


def unknown_slices(config: Config, kinds: Mapping[str, FeatureKind], columns: frozenset[str]) -> list[str]:
    """Slices by columns that the data does not have, or has as numbers.

    Args:
      config: the configuration.
      kinds: feature to kind, as given or inferred.
      columns: names of all columns; empty where the format has none.
    """
    problems = []
    for name in sliced_by(config):
        if name in BY_RULE:
            continue
        if name in config.data.slices:
            if columns and name not in columns:
                problems.append(f"data.slices: no column is called {name}{nearest(name, sorted(columns))}")
        elif name not in kinds:
            problems.append(f"gate.slices: no feature is called {name}{nearest(name, sorted(kinds))}")
        elif kinds[name] in ("float", "text"):
            problems.append(f"gate.slices: {name} is a {kinds[name]}, which nearly every step has another of")
    return problems


def refuse_unknown_slices(path: str, config: Config) -> None:
    """Ends with the slices that the data has no column for, before anything is read as a whole.

    Args:
      path: of the configuration, for the message.
      config: the configuration; where its source cannot be read, nothing is refused.

    Raises:
      ConfigError: with every such slice.
    """
    if set(sliced_by(config)) <= set(BY_RULE):
        return
    from components.ingest.layout import look

    try:
        layout = look(config)
    except SluiceError:  # which Ingest raises again, as its own, on record
        return
    if problems := unknown_slices(config, layout.kinds, layout.columns):
        raise ConfigError(f"{path}: {len(problems)} mistake{'' if len(problems) == 1 else 's'}", problems)


def _thresholds(config: Config) -> list[Threshold]:
    return [one for one in config.gate.thresholds or () if isinstance(one, Threshold)]


def _threshold_problems(config: Config, threshold: Threshold) -> Iterator[str]:
    metric, low, high = threshold.metric, threshold.min, threshold.max
    key, known = f"gate.thresholds, {metric}", metric_names(config.task)
    if metric not in known and not _per_class(config, metric):
        hint = nearest(metric, known)
        if config.task == "multiclass" and metric in AVERAGED:
            hint = f" (did you mean {metric}_macro or {metric}[class]?)"
        yield f"{key}: no such metric for {config.task}{hint}"
        return
    if low is None and high is None:
        yield f"{key}: expected min or max"
    elif low is not None and high is not None and low > high:
        yield f"{key}: min {low:g} is more than max {high:g}"
    else:
        yield from _side_problems(config, key, metric, low, high)


def _side_problems(
    config: Config, key: str, metric: str, low: float | None, high: float | None
) -> Iterator[str]:
    lower_is_better, largest = metric in LOWER_IS_BETTER, _LARGEST.get(metric, 1.0)
    if lower_is_better and low is not None:
        yield f"{key}: the lower the better, and min {low:g} refuses good models; give max"
    elif not lower_is_better and metric not in NEITHER_IS_BETTER and high is not None:
        yield (
            f"{key}: the higher the better, and max {high:g} refuses good models; give min, or "
            "gate.suspicious_above for what is too good to be true"
        )
    elif metric not in _UNBOUNDED and low is not None and low > largest:
        meant = f"; did you mean {low / 100:g}?" if 1 < low <= 100 else ""
        yield f"{key}: it is {largest:g} at most, and min is {low:g}{meant}"
    elif metric not in _UNBOUNDED and low == largest and config.gate.confidence is not None:
        yield (
            f"{key}: no model can meet min {low:g} with the pessimistic end of an interval; give less, "
            f"such as {0.99 * largest:g}"
        )
    else:
        yield from _idle_problems(key, metric, low, high)


def _idle_problems(key: str, metric: str, low: float | None, high: float | None) -> Iterator[str]:
    """Bounds that every model meets, or none."""
    least = 1 if metric == "perplexity" else 0
    if low is not None and low <= 0 and metric not in (*_UNBOUNDED, "r2"):
        yield f"{key}: every model meets min {low:g}; expected a number above 0"
    elif metric == "bleu" and low is not None and low < 1:
        yield f"{key}: it goes from 0 to 100; did you mean min {low * 100:g}?"
    elif metric in LOWER_IS_BETTER and high is not None and high <= least:
        yield f"{key}: no model can meet max {high:g}; expected a number above {least}"
    elif metric not in _UNBOUNDED and high is not None and high >= 1:
        meant = f"; did you mean {high / 100:g}?" if high > 1 else ""
        yield f"{key}: it is 1 at most, so every model meets max {high:g}{meant}"


def _per_class(config: Config, metric: str) -> bool:
    name, bracket, rest = metric.partition("[")
    named = bool(bracket) and rest.endswith("]") and len(rest) > 1
    return named and name in AVERAGED and has_classes(config)


def _of_several_classes(metric: str) -> str:
    """What a metric is called that within one class is no measure of it; empty for others."""
    name = metric.partition("[")[0].removesuffix("_macro")
    return name if name in AVERAGED and metric != "recall_macro" else ""


def _slice_problems(config: Config) -> Iterator[str]:
    there = sliced_by(config)
    for threshold in _thresholds(config):
        key, where = f"gate.thresholds, {threshold.metric}", threshold.slice
        if where == "label" and not has_classes(config):
            yield f"{key}: the slice label needs classes, which {config.task} has not"
        elif where is not None and where not in there:
            yield f"{key}: the slice {where} is neither in gate.slices nor in data.slices"
        elif where == "label" and (name := _of_several_classes(threshold.metric)):
            yield (
                f"{key}: a slice by label holds one class only, where it says nothing; "
                f"without slice, {name}[class] is that of a class against all others"
            )
    if "label" in there and not has_classes(config):
        yield f"gate.slices: label needs classes, which {config.task} has not; leave it out"
    if TIME in there and config.data.time is None and TIME not in config.data.slices:
        yield "gate.slices: time needs data.time, the column that orders the steps"
    for name in sorted(set(BY_RULE) & set(config.data.slices)):
        yield f"data.slices: {name} is a slice of its own; give the column another name"
