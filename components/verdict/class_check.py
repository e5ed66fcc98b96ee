"""ClassCheck: ends a run whose configuration names a class that there is none of, before any training."""

import json

import tensorflow_data_validation as tfdv
from tfx import v1 as tfx

from pipeline.errors import ConfigError
from pipeline.words import nearest

_TRAIN, _STATISTICS = "train", "FeatureStats.pb"


@tfx.dsl.components.component
def ClassCheck(  # noqa: N802 (TFX names a component by its function)
    statistics: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.ExampleStatistics],
    label: tfx.dsl.components.Parameter[str],
    named: tfx.dsl.components.Parameter[str],
) -> None:
    """Lets a run go on where every class that is named occurs in the training split.

    Args:
      statistics: of the Examples.
      label: name of the label feature.
      named: JSON list of (key of the configuration, class).

    Raises:
      ConfigError: with every class that does not occur, and the nearest that does.
    """
    known = classes_of(f"{statistics.uri}/Split-{_TRAIN}/{_STATISTICS}", label)
    problems = [
        f"{key}: the training split has no class {text}{nearest(text, known)}"
        for key, text in json.loads(named)
        if known and text not in known
    ]
    if problems:
        raise ConfigError("the configuration names classes that do not occur", problems)


def classes_of(path: str, label: str) -> list[str]:
    """The classes in TFDV's statistics; none where these do not have them all.

    Args:
      path: of the binary statistics of a split.
      label: name of the label feature.
    """
    for feature in tfdv.load_stats_binary(path).datasets[0].features:
        if list(feature.path.step) == [label]:
            ranked = [bucket.label for bucket in feature.string_stats.rank_histogram.buckets]
            return sorted(ranked) if len(ranked) == feature.string_stats.unique else []
    return []
