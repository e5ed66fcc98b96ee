"""Names of features that last from a column to an argument of the served model."""

import re
from collections import defaultdict
from collections.abc import Iterable

from pipeline.config import RESERVED_FEATURES
from pipeline.errors import DataRefused


def argument_name(feature: str) -> str:
    """What a feature is called in the signature `sequences`, where TensorFlow allows letters, digits and _.

    `CO2 (ppm)` becomes `CO2__ppm_`; a name that does not begin with a letter gets `f_` before it.
    """
    name = re.sub(r"[^A-Za-z0-9_]", "_", feature)
    return name if name[:1].isalpha() else f"f_{name}"


def refuse_unusable(features: Iterable[str]) -> None:
    """Raises DataRefused for names that are empty, taken, or alike as arguments."""
    alike = defaultdict(list)
    for feature in features:
        alike[argument_name(feature)].append(feature)
    problems = [
        f"{feature!r}: {'the name is empty' if not feature else 'the name is taken'}; "
        "rename the column, or put it in data.ignore"
        for name, same in alike.items()
        for feature in same
        if not feature or name in RESERVED_FEATURES
    ]
    problems += [
        f"{' and '.join(map(repr, same))} would both be {name} in requests to the model; rename one"
        for name, same in alike.items()
        if len(same) > 1
    ]
    if problems:
        raise DataRefused("columns that cannot be features by their name", problems)
