"""The errors a user can cause, each with the exit status of the command line.

    SluiceError                 1  unexpected failure
    ├── ConfigError             2  wrong usage or configuration
    ├── DataRefused             3  the data leaks, is misshapen or cannot be read
    ├── ModelRefused            4  the model misses a bound
    └── NotServable             5  the export cannot be served

Every one carries a list of problems, so that all mistakes are reported at once.
"""

from collections.abc import Sequence

INTERRUPTED = 130  # what a shell reports for a process ended by Ctrl-C


class SluiceError(Exception):
    """One failure, made of one or more problems a user can act on.

    Args:
      summary: what went wrong, in one sentence.
      problems: each mistake, saying what was expected, what came and what to do.
    """

    exit_code = 1

    def __init__(self, summary: str, problems: Sequence[str] = ()) -> None:
        self.summary = summary
        self.problems = tuple(problems)
        super().__init__(summary, self.problems)

    def __str__(self) -> str:
        return "\n".join([self.summary, *(f"  - {problem}" for problem in self.problems)])


class ConfigError(SluiceError):
    """The configuration or the command line is wrong."""

    exit_code = 2


class DataRefused(SluiceError):
    """The data cannot be read, is misshapen or leaks."""

    exit_code = 3


class ModelRefused(SluiceError):
    """The model misses at least one bound."""

    exit_code = 4


class NotServable(SluiceError):
    """The exported model does not answer as TF Serving will ask it to."""

    exit_code = 5
