"""A series of pushes that are killed and tried again, under the eyes of watchers."""

import functools
import random
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.push.killing import Push, push_in_child
from benchmarks.push.watching import NUMBER, Watcher, faults, held, number_line, versions

_START_S = 1_800_000_000  # what the clock of the pushes says at first


@dataclass
class Outcome:
    """What a series came to."""

    pushes: int = 0
    killed: int = 0
    operations: int = 0  # file operations of a push, before each of which one was killed
    every_operation: bool = False  # that these are all
    polls: int = 0
    seen: int = 0
    seen_incomplete: int = 0
    loaded: int | None = None
    refused_by_loader: int | None = None
    left_incomplete: int = 0
    said_pushed_though_incomplete: int = 0
    newest_complete: bool = False

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return asdict(self)


def run(
    push: Push,
    home: Path,
    pushes: int,
    load: Callable[[Path], list[str]] | None = None,
    on_push: Callable[[int], None] = lambda _: None,
) -> Outcome:
    """Pushes a model again and again, each time with another number in one of its files.

    Every other push is killed before one of its file operations, each of them in turn; the others at a
    random moment. A push that was killed is tried again, and that one is left alone: every other time
    within the second of the first, else in the next one. The clock of the pushes goes on by two seconds
    with each, however long it takes.

    Args:
      push: `killing.ours` or `killing.stock`.
      home: holds the model in `model/Format-Serving`; versions go to `versions`.
      pushes: how many are begun, not counting those that are tried again.
      load: asked of each new version by a second watcher.
      on_push: told after each push how many there were.
    """
    base, source = home / "versions", home / "model" / "Format-Serving"
    (source / NUMBER).parent.mkdir(parents=True, exist_ok=True)
    (source / NUMBER).write_text(number_line(0))
    expected = held(source)
    check = functools.partial(faults, expected=expected)
    watchers = [Watcher(base, check), *([Watcher(base, load, once=True)] if load else [])]
    outcome, kills = Outcome(), _Kills()
    for number in range(1, pushes + 1):
        (source / NUMBER).write_text(number_line(number))
        now_s = _START_S + 2 * number
        made, _ = push_in_child(push, base, source, now_s, **kills.next())
        kills.came_of_it(made is None)
        if made is None:
            outcome.killed += 1
            made, kills.seconds = push_in_child(push, base, source, now_s + number // 2 % 2)
        outcome.pushes += 1
        outcome.said_pushed_though_incomplete += made is None or bool(check(Path(made)))
        on_push(number)
    outcome.operations, outcome.every_operation = kills.operations, kills.every_operation
    found = [watcher.stop() for watcher in watchers]
    outcome.polls, outcome.seen = found[0]["polls"], found[0]["seen"]
    outcome.seen_incomplete = len(found[0]["wrong"])
    if load:
        outcome.loaded, outcome.refused_by_loader = found[1]["seen"], len(found[1]["wrong"])
    there = versions(base)
    outcome.left_incomplete = sum(bool(check(version)) for version in there)
    outcome.newest_complete = not check(there[0])
    return outcome


class _Kills:
    """Says when to kill: before each file operation in turn, and at random moments."""

    def __init__(self) -> None:
        self.seconds = 0.1  # of a push that is left alone
        self.operations, self.every_operation = 0, False
        self._moment = random.Random(1)  # noqa: S311 (moments, not secrets)
        self._before, self._counting = 0, False

    def next(self) -> dict[str, Any]:
        """How the next push is to be killed."""
        self._counting = not self._counting
        if self._counting:
            self._before += 1
            return {"before": self._before}
        return {"after_s": self._moment.uniform(0, 1.2 * self.seconds)}

    def came_of_it(self, killed: bool) -> None:
        """Told whether it was."""
        if not self._counting:
            return
        if killed:
            self.operations = max(self.operations, self._before)
        else:  # it ended before it came to that operation: the next one begins anew
            self.every_operation, self._before = True, 0
