"""What is wrong with the data, as findings with a name, a severity and a remedy."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from components.auditor.checks import CHECKS, ERROR, OFF

BOTH_SPLITS = "all"


@dataclass(frozen=True)
class Finding:
    """One finding of one check, as it stands in validation.json."""

    check: str
    severity: str
    split: str
    feature: str
    message: str
    count: int
    examples: tuple[str, ...]
    fix: str

    def as_json(self) -> dict[str, object]:
        """The finding as a JSON object."""
        return {**asdict(self), "examples": list(self.examples)}


@dataclass(frozen=True)
class Draft:
    """A finding that names its sequences by their references.

    Attributes:
      check: name of the check.
      severity: before the configuration changes it.
      split: `train`, `eval`, or `all` where it is about both.
      feature: feature of the Examples; empty where it is about sequences.
      message: what was found, in words and numbers.
      count: sequences affected.
      refs: references of the first of them.
      fix: what to do; by default what the check says.
    """

    check: str
    severity: str
    split: str
    feature: str
    message: str
    count: int
    refs: Sequence[int] = ()
    fix: str = ""

    def named(self, ids: Mapping[int, str]) -> Finding:
        """The finding, with its sequences by their ids."""
        return Finding(
            self.check,
            self.severity,
            self.split,
            self.feature,
            self.message,
            self.count,
            tuple(ids.get(ref, f"record {ref}") for ref in self.refs),
            self.fix or CHECKS[self.check].fix,
        )


def judged(drafts: Iterable[Draft], severity: Mapping[str, str]) -> list[Draft]:
    """The findings with the severities of the configuration, worst first, then as the checks are listed."""
    order = {name: place for place, name in enumerate(CHECKS)}
    kept = [
        Draft(**{**vars(draft), "severity": severity.get(draft.check, draft.severity)})
        for draft in drafts
        if severity.get(draft.check) != OFF
    ]
    return sorted(
        kept,
        key=lambda draft: (draft.severity != ERROR, order[draft.check], draft.split, draft.feature),
    )


def share(part: int, whole: int) -> str:
    """A count with its share, such as `12 of 300 (4.0 %)`."""
    return f"{part:,} of {whole:,} ({part / max(1, whole):.1%})".replace("%", " %")
