"""Slices of the data: which there are, and how they are said in words."""

from collections.abc import Mapping

from pipeline.config import Config
from pipeline.words import on_one_line

_LONGEST = 60  # characters of a value that are said

Slice = Mapping[str, str]  # feature to value; empty for overall
TIME = "time"  # the slice by the period that a sequence's last step lies in
BY_RULE = ("sequence_length", "label", TIME)  # slices that are no column


def has_classes(config: Config) -> bool:
    """Whether the label is one of few classes."""
    return config.task in ("binary", "multiclass")


def sliced_by(config: Config) -> tuple[str, ...]:
    """What the evaluation is sliced by besides overall: `gate.slices` and every column of `data.slices`."""
    named = config.gate.slices
    if named is None:
        there = (True, has_classes(config), config.data.time is not None)
        named = tuple(name for name, is_there in zip(BY_RULE, there, strict=True) if is_there)
    by_policy = ("label",) if config.task == "multiclass" and has_default(config) else ()
    return tuple(dict.fromkeys((*named, *by_policy, *config.data.slices)))


def has_default(config: Config) -> bool:
    """Whether the default policy of the task holds, alone or beside other bounds."""
    return config.gate.thresholds is None or "default" in config.gate.thresholds


def slice_text(where: Slice) -> str:
    """A slice in words, such as `label=peak`; `overall` for all sequences.

    What would break a line becomes a blank, and of a long value only the beginning is said.
    """
    return ", ".join(f"{feature}={_value_text(value)}" for feature, value in where.items()) or "overall"


def _value_text(value: str) -> str:
    text = on_one_line(value)
    return '""' if not text else text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
