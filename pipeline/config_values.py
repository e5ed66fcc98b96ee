"""What several sections of the configuration have in common."""

import re
from typing import Annotated

from pydantic import AfterValidator, ConfigDict

# Of every section: a key that it does not know, or a number that is none, is an error.
STRICT = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

_UNITS_US = {"us": 1, "ms": 10**3, "s": 10**6, "min": 60 * 10**6, "h": 3600 * 10**6, "d": 86400 * 10**6}
_UNITS_US["w"] = 7 * _UNITS_US["d"]


def duration_us(text: str) -> int:
    """Microseconds of a duration such as `90s`, `1.5h`, `7d` or `2w`.

    Raises:
      ValueError: the text is no duration.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([a-z]+)", text.strip())
    if not found or found[2] not in _UNITS_US:
        raise ValueError(f"expected a duration: a number and one of {', '.join(_UNITS_US)}, such as 7d")
    return round(float(found[1]) * _UNITS_US[found[2]])


def _duration(text: str) -> str:
    duration_us(text)
    return text


Duration = Annotated[str, AfterValidator(_duration)]
