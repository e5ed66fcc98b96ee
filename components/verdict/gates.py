"""The gates: what was measured goes in, decisions come out. None knows where the numbers come from."""

from components.verdict.bounds import value_bounds
from components.verdict.comparisons import beats_trivial, force, no_drop, overfit, suspicion
from components.verdict.decisions import Decision, decision, failed_first
from components.verdict.evaluation import Evidence, SliceMetrics
from components.verdict.policy import BEATEN, of_rarer_class, stated_thresholds
from pipeline.config import Config, Threshold


def judge(config: Config, evidence: Evidence, forced: str = "") -> list[Decision]:
    """Every decision on a model, failed ones first; it is good where all passed.

    Args:
      config: what is asked of it.
      evidence: what was measured.
      forced: why it may be worse than the last blessed model, if somebody took that on themselves.
    """
    if not evidence.eval.slices or not evidence.overall.examples:
        return [_no_examples()]
    gate, thresholds = config.gate, held_to(config, evidence.overall)
    metrics = list(dict.fromkeys(one.metric for one in thresholds))
    compared = metrics or [metric for metric in BEATEN[config.task] if metric in evidence.overall.metrics]
    drops = no_drop(gate, compared, evidence)
    return failed_first(
        [
            *value_bounds(gate, thresholds, evidence),
            *overfit(gate, compared, evidence),
            *beats_trivial(gate, BEATEN[config.task], evidence),
            *(force(drops, forced) if forced else drops),
            *suspicion(gate, compared, evidence),
        ]
    )


def held_to(config: Config, overall: SliceMetrics) -> list[Threshold]:
    """The bounds of a configuration and of the default policy, once the classes are known."""
    counts = overall.counts
    rarer = (
        of_rarer_class(config, counts.classes, [counts.of_class(name) for name in counts.classes])
        if counts
        else []
    )
    return [*stated_thresholds(config), *rarer]


def _no_examples() -> Decision:
    return decision(
        "examples",
        "",
        SliceMetrics({}, 0, {}),
        "the evaluation split is empty: nothing was measured",
        "give the split sequences that can judge the model",
        passed=False,
    )
