"""Counts of what was seen in the records, which add up whatever the order of the parts."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from components.auditor.lists import Ints, Mask

SHOWN = 20  # sequences named in a finding
MOST_LABELS = 1_000  # distinct labels that are counted; what has more is no class
_Key = tuple[str, str, str]  # what, split, feature


@dataclass
class Seen:
    """How many records showed something, and the first of them by their reference."""

    count: int = 0
    refs: list[int] = field(default_factory=list)

    def add(self, count: int, refs: Iterable[int]) -> None:
        """Adds a part."""
        self.count += count
        self.refs = sorted({*self.refs, *refs})[:SHOWN]


@dataclass
class Tally:
    """What a part of the Examples came to.

    Attributes:
      seen: records that showed something, by what, split and feature.
      sums: numbers that add up, by the same.
      least: the least number, by the same.
      most: the largest number, by the same.
      labels: split to label to the records that have it; at most MOST_LABELS.
      words: a few short texts that say more, by what, split and feature.
    """

    seen: dict[_Key, Seen] = field(default_factory=dict)
    sums: dict[_Key, int] = field(default_factory=dict)
    least: dict[_Key, float] = field(default_factory=dict)
    most: dict[_Key, float] = field(default_factory=dict)
    labels: dict[str, dict[str, Seen]] = field(default_factory=dict)
    words: dict[_Key, list[str]] = field(default_factory=dict)

    def note(self, what: str, split: str, feature: str, at: Mask, refs: Ints) -> None:
        """Counts the records where a mask is true."""
        places = np.flatnonzero(at)
        if len(places):
            self.note_refs(what, split, feature, len(places), refs[places[:SHOWN]].tolist())

    def note_refs(self, what: str, split: str, feature: str, count: int, refs: Iterable[int]) -> None:
        """Counts records by their references."""
        if count:
            self.seen.setdefault((what, split, feature), Seen()).add(count, refs)

    def add(self, what: str, split: str, feature: str, number: int) -> None:
        """Adds a number."""
        key = (what, split, feature)
        self.sums[key] = self.sums.get(key, 0) + int(number)

    def bound(self, what: str, split: str, feature: str, least: float, most: float) -> None:
        """Widens a range."""
        key = (what, split, feature)
        self.least[key] = min(self.least.get(key, least), least)
        self.most[key] = max(self.most.get(key, most), most)

    def say(self, what: str, split: str, feature: str, words: Iterable[str]) -> None:
        """Keeps a few short texts."""
        key = (what, split, feature)
        self.words[key] = sorted({*self.words.get(key, ()), *words})[:3]

    def label(self, split: str, label: str, count: int, refs: Iterable[int]) -> None:
        """Counts records of a label."""
        labels = self.labels.setdefault(split, {})
        if label in labels or len(labels) < MOST_LABELS:
            labels.setdefault(label, Seen()).add(count, refs)

    def sum(self, what: str, split: str, feature: str = "") -> int:
        """A number, 0 where nothing was added."""
        return self.sums.get((what, split, feature), 0)

    def count(self, what: str, split: str, feature: str = "") -> int:
        """How many records showed something."""
        found = self.seen.get((what, split, feature))
        return found.count if found else 0


def merge(parts: Iterable[Tally]) -> Tally:
    """All parts as one."""
    whole = Tally()
    for part in parts:
        for (what, split, feature), seen in part.seen.items():
            whole.note_refs(what, split, feature, seen.count, seen.refs)
        for (what, split, feature), number in part.sums.items():
            whole.add(what, split, feature, number)
        for (what, split, feature), least in part.least.items():
            whole.bound(what, split, feature, least, part.most[what, split, feature])
        for split, labels in part.labels.items():
            for label in sorted(labels):
                whole.label(split, label, labels[label].count, labels[label].refs)
        for (what, split, feature), words in part.words.items():
            whole.say(what, split, feature, words)
    return whole
