"""What is looked at before a model is pushed, and what came of it."""

from dataclasses import asdict, dataclass

RETRAIN = "run the Trainer again; if it stays, look at what writes to the run's artifacts"


@dataclass(frozen=True)
class Check:
    """One thing an export must show.

    Attributes:
      name: stable, such as `files` or `answers`.
      reasons: what is wrong, each a sentence; none where the check is passed.
      next_action: what to do about it.
    """

    name: str
    reasons: tuple[str, ...] = ()
    next_action: str = ""

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not self.reasons

    def as_json(self) -> dict[str, object]:
        """As it stands in servability.json."""
        return {"passed": self.passed, **asdict(self)}
