"""The order of classes, by which their probabilities stand."""

import math
from collections.abc import Sequence

from pipeline.errors import ConfigError


def in_order(classes: Sequence[str], positive: str | None) -> tuple[str, ...]:
    """The classes in the order of their ids: numbers by value, then text; `positive` last.

    Sorted, not by frequency, so that a class keeps its place when more data comes.
    """
    if positive is not None and positive not in classes:
        raise ConfigError(
            "data.positive is none of the classes",
            [f"expected one of {', '.join(sorted(classes, key=_place))}, got {positive}"],
        )
    return tuple(sorted(classes, key=lambda text: (text == positive, *_place(text))))


def _place(text: str) -> tuple[float, str]:
    try:
        number = float(text)
    except ValueError:
        return math.inf, text
    return (number, text) if math.isfinite(number) else (math.inf, text)
