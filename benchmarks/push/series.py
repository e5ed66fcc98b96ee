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
    operations: int = 0  # of a push that is left alone, at most
    killed_before: int = 0  # how many of these
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
    outcome, moment = Outcome(), random.Random(1)  # noqa: S311 (moments, not secrets)
    _, outcome.operations, seconds = push_in_child(push, base, source, _START_S)
    points = set()
    for number in range(1, pushes + 1):
        (source / NUMBER).write_text(number_line(number))
        now_s = _START_S + 2 * number
        when: dict[str, Any] = (
            {"before": number // 2 % outcome.operations + 1}
            if number % 2
            else {"after_s": moment.uniform(0, 1.2 * seconds)}
        )
        made, *_ = push_in_child(push, base, source, now_s, **when)
        if made is None:
            outcome.killed += 1
            points.add(when.get("before"))
            made, count, seconds = push_in_child(push, base, source, now_s + number // 2 % 2)
            outcome.operations = max(count, outcome.operations)
        outcome.pushes += 1
        outcome.said_pushed_though_incomplete += bool(not made or check(Path(made)))
        on_push(number)
    found = [watcher.stop() for watcher in watchers]
    outcome.polls, outcome.seen = found[0]["polls"], found[0]["seen"]
    outcome.seen_incomplete = len(found[0]["wrong"])
    if load:
        outcome.loaded, outcome.refused_by_loader = found[1]["seen"], len(found[1]["wrong"])
    outcome.killed_before = len(points - {None})
    there = versions(base)
    outcome.left_incomplete = sum(bool(check(version)) for version in there)
    outcome.newest_complete = not check(there[0])
    return outcome
