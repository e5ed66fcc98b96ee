"""What may be changed when a run is started without being compiled again: the source and the bounds.

The steps that use them read them, checked as in a configuration file; empty means as configured.
"""

from components.verdict.slices import sliced_by
from pipeline.config import Config
from pipeline.config_file import changed
from pipeline.errors import ConfigError


def with_source(config: Config, source: str) -> Config:
    """The configuration with another source.

    Args:
      config: the configuration.
      source: `data.source` as YAML: a path or glob, a list, or {train: …, eval: …}.

    Raises:
      ConfigError: it is none, or not of the configured format.
    """
    if not source:
        return config
    found = changed(config, "data", "source", source)
    if found.format != config.format:
        raise ConfigError(
            "the run was started with another kind of data",
            [f"data.source: expected files of the format {config.format}, got {found.format}"],
        )
    return found


def with_thresholds(config: Config, thresholds: str) -> Config:
    """The configuration with other bounds.

    Args:
      config: the configuration.
      thresholds: `gate.thresholds` as YAML.

    Raises:
      ConfigError: a metric, slice or bound that there cannot be, or a slice that the run does not measure.
    """
    if not thresholds:
        return config
    found = changed(config, "gate", "thresholds", thresholds)
    if unmeasured := sorted(set(sliced_by(found)) - set(sliced_by(config))):
        raise ConfigError(
            "the run was started with bounds that are not measured",
            [f"gate.thresholds: add {name} to gate.slices and compile again" for name in unmeasured],
        )
    return found
