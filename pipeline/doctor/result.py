"""What a check came to."""

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "lack"]


@dataclass(frozen=True)
class Result:
    """What a check came to.

    Attributes:
      name: of the check; stable.
      found: what is here, in one line.
      state: `lack` where something does not work, `warning` where it works worse.
      consequence: what a lack rules out, or what a warning costs.
      remedy: the command that mends it, or what to do where no command does.
      stops_run: whether `sluice run` does not work as it is.
      exit_code: of the command, where this stops a run.
    """

    name: str
    found: str
    state: State = "ok"
    consequence: str = ""
    remedy: str = ""
    stops_run: bool = False
    exit_code: int = 1


def stops(name: str, found: str, remedy: str, *, exit_code: int = 1) -> Result:
    """A lack without which `sluice run` does not work."""
    return Result(name, found, "lack", "sluice run", remedy, stops_run=True, exit_code=exit_code)


def lack(name: str, found: str, consequence: str, remedy: str, *, stops_run: bool = False) -> Result:
    """A lack that rules out something, which `sluice run` may need or not."""
    return Result(name, found, "lack", consequence, remedy, stops_run=stops_run)


def warning(name: str, found: str, consequence: str, remedy: str) -> Result:
    """What works, but worse."""
    return Result(name, found, "warning", consequence, remedy)
