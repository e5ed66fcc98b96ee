"""ClassCheck: ends a run whose configuration names a class that there is none of, before any training."""

import tensorflow_data_validation as tfdv
from tfx import v1 as tfx

from pipeline.at_start import with_thresholds
from pipeline.config import Config
from pipeline.errors import ConfigError
from pipeline.gate_checks import classes_named
from pipeline.words import nearest

_TRAIN, _STATISTICS = "train", "FeatureStats.pb"


@tfx.dsl.components.component
def ClassCheck(  # noqa: N802 (TFX names a component by its function)
    statistics: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.ExampleStatistics],
    config: tfx.dsl.components.Parameter[str],
    thresholds: tfx.dsl.components.Parameter[str] = "",
) -> None:
    """Lets a run go on where every class that is named occurs in the training split.

    Args:
      statistics: of the Examples.
      config: the configuration as JSON; only what names classes.
      thresholds: other `gate.thresholds` as YAML, given when the run was started.

    Raises:
      ConfigError: with every class that does not occur, and the nearest that does; or the run was started
        with bounds that there cannot be.
    """
    settings = with_thresholds(Config.model_validate_json(config), thresholds)
    known = classes_of(f"{statistics.uri}/Split-{_TRAIN}/{_STATISTICS}", settings.label)
    problems = [
        f"{key}: the training split has no class {text}{nearest(text, known)}"
        for key, text in classes_named(settings)
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
