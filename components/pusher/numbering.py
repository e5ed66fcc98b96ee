"""What a version may be called, and which ones have to go."""

from collections.abc import Iterable

from pipeline.errors import SluiceError
from serving.version_folders import LARGEST


def next_version(known: Iterable[int], now_s: float) -> int:
    """The version of a new push: the time in seconds, or one more than any version there ever was.

    Args:
      known: every version that is there or on record, removed ones too.
      now_s: seconds since 1970; the clock may have been set back.

    Raises:
      SluiceError: there is no larger number.
    """
    version = max(int(now_s), *(one + 1 for one in known), 1)
    if version > LARGEST:
        raise SluiceError(
            f"there is no version after {LARGEST}, the largest number TensorFlow Serving reads",
            ["rename the folder of that version, or push to another name"],
        )
    return version


def surplus(ours: Iterable[int], keep: int, served: int | None) -> list[int]:
    """The versions that retention removes, oldest first.

    Args:
      ours: the versions that are there and that a push of ours made.
      keep: how many of the newest stay.
      served: what TensorFlow Serving still answers from, whatever its age.
    """
    return sorted(version for version in sorted(ours, reverse=True)[keep:] if version != served)
