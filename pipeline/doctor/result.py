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
      exit_code: of `sluice doctor` for this alone: 0 where `sluice run` works all the same.
    """

    name: str
    found: str
    state: State = "ok"
    consequence: str = ""
    remedy: str = ""
    exit_code: int = 0

    @property
    def stops_run(self) -> bool:
        """Whether `sluice run` does not work for this."""
        return self.exit_code != 0


def stops(name: str, found: str, remedy: str, *, exit_code: int = 1) -> Result:
    """A lack without which `sluice run` does not work."""
    return Result(name, found, "lack", "sluice run", remedy, exit_code)


def lack(name: str, found: str, consequence: str, remedy: str, *, stops_run: bool = False) -> Result:
    """A lack that rules out something, which `sluice run` may need or not."""
    return Result(name, found, "lack", consequence, remedy, exit_code=1 if stops_run else 0)


def warning(name: str, found: str, consequence: str, remedy: str) -> Result:
    """What works, but worse."""
    return Result(name, found, "warning", consequence, remedy)
