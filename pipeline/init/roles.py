"""Guesses what columns mean: what tells sequences apart, orders the steps, holds the answer, or is no use."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from pipeline.config import RESERVED_FEATURES
from pipeline.init.file_format import Guess
from pipeline.init.sampled_rows import Codes, Column, Table

FEW = 20  # classes, at most, where the values are numbers
LONGEST_WINDOW = 60
_ID_NAME = (
    r"(.+_)?(id|uid|uuid)|(engine|unit|session|user|sequence|series|subject|patient|customer|client|device|machine|"
    r"recording|trip|account|speaker|trajectory|episode|vehicle|asset)(_(no|nr|number|name))?"
)
_TIME_NAME = (
    r"(.+_)?(time|timestamp|date|datetime)|(.+)_at|t|ts|cycle|step|tick|frame|(time|date|step|cycle)_.+"
)
_LABEL_NAME = r"(.+_)?(label|labels|target|class|outcome)"
_LIKE_LABEL_NAME = (
    r"y|kind|category|occupancy|occupied|activity|gesture|sentiment|diagnosis|answer|result|"
    r"(is_)?(fraud|spam|churn|churned|anomaly|default)|rul|remaining_useful_life"
)


@dataclass(frozen=True)
class Roles:
    """What the columns were taken for.

    Attributes:
      guesses: the keys of the configuration.
      ignored: columns to leave out, and why.
      features: the columns that are left.
      label: the column of the label, if one was found.
      window: whether windows are cut.
      one_series: whether all rows are one series.
    """

    guesses: tuple[Guess, ...]
    ignored: dict[str, str]
    features: tuple[Column, ...]
    label: Column | None
    window: bool
    one_series: bool


@dataclass
class _Found:
    """What was found so far."""

    table: Table
    by_row: bool  # a row is a whole sequence
    ignored: dict[str, str] = field(default_factory=dict)
    sequence_id: Column | None = None
    time: Column | None = None
    label: Column | None = None
    guesses: list[Guess] = field(default_factory=list)

    def take(self, key: str, column: Column, why: str, question: str = "") -> None:
        """Gives a column a role."""
        setattr(self, key, column)
        self.guesses.append(Guess(f"data.{key}", column.name, why, question))

    def free(self) -> list[Column]:
        """Columns without a role."""
        taken = {column.name for column in (self.sequence_id, self.time, self.label) if column}
        return [column for column in self.table.columns if column.name not in taken | set(self.ignored)]

    @property
    def groups(self) -> Codes:
        """The sequence of each row."""
        if self.sequence_id is not None:
            return self.sequence_id.codes
        return np.arange(self.table.rows) if self.by_row else np.zeros(self.table.rows, np.int64)


def guess_roles(table: Table, row_names: Sequence[str] = ()) -> Roles:
    """What the columns of a table with named columns mean.

    Args:
      table: the rows looked at.
      row_names: columns known to number the rows.
    """
    text = next((column.name for column in table.columns if column.kind == "text"), None)
    found = _Found(table, by_row=table.records or text is not None)
    found.ignored |= dict.fromkeys(row_names, "row numbers: the header has no name for them")
    _ignore_constant_and_counting(found)
    _find_sequence_id(found)
    if found.by_row:
        why = f"a row has a whole text (in {text})" if text else "a row has lists of steps"
        found.guesses.insert(0, Guess("data.sequence_id", None, f"{why}, and is a sequence by itself"))
    _find_time(found)
    one_series = not found.by_row and found.sequence_id is None and found.time is not None
    _find_label(found, one_series)
    window = one_series or _label_changes(found)
    if window:
        found.guesses.append(_window(found, one_series))
    _ask_what_rows_are(found)
    _ignore_what_is_no_feature(found)
    return Roles(
        tuple(found.guesses), found.ignored, tuple(found.free()), found.label, window, one_series
    )  # fmt: skip


def _named(column: Column, pattern: str) -> bool:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", column.name)
    return bool(re.fullmatch(pattern, re.sub(r"\W+", "_", words).strip("_").lower()))


def _words(columns: Iterable[Column]) -> str:
    return ", ".join(column.name for column in columns)


def _ignore_constant_and_counting(found: _Found) -> None:
    table = found.table
    for column in found.free():
        if len(np.unique(column.codes)) <= 1:
            found.ignored[column.name] = f"the same in {table.looked_at}"
        elif not table.records and column.is_whole and not column.unread and not _named(column, _TIME_NAME):
            within_file = np.diff(table.file) == 0
            if np.all(np.diff(column.numbers)[within_file] == 1) and within_file.any():
                found.ignored[column.name] = "it counts the rows"


def _find_sequence_id(found: _Found) -> None:
    """The column that tells sequences apart: by its name, or because its values come in runs."""
    if found.by_row:
        return
    alone = [column for column in _clocks(found) if _clocked(column, np.zeros(found.table.rows, np.int64))]
    fits = []
    for column in found.free():
        named = _named(column, _ID_NAME)
        if column.is_timestamp or _named(column, _TIME_NAME) or len(column.distinct) * 2 > len(column.codes):
            continue
        if _named(column, f"{_LABEL_NAME}|{_LIKE_LABEL_NAME}") or not (column.is_whole or column.is_text):
            continue
        in_runs = int(np.count_nonzero(np.diff(column.codes))) + 1 == len(np.unique(column.codes))
        if named or (in_runs and not alone):
            clocks = [
                clock for clock in _clocks(found) if clock is not column and _clocked(clock, column.codes)
            ]
            fits.append(((named, bool(clocks), in_runs, len(column.distinct)), column))
    if not fits:
        return
    (named, timed, in_runs, _), best = max(fits, key=lambda fit: fit[0])
    number = len(best.distinct)
    why = f"{'by its name; ' if named else ''}{number:,} values, {found.table.rows / number:,.0f} rows each"
    why += f"{', in runs' if in_runs else ''}{'; in each, a time increases' if timed else ''}"
    others = _words(column for (is_named, *_), column in fits if column is not best and is_named)
    question = f"or do {others} tell sequences apart?" if others else ""
    if not named and not timed:
        question = f"does {best.name} tell sequences apart? Its values only look like it"
    found.take("sequence_id", best, why, question)


def _clocks(found: _Found) -> list[Column]:
    """Columns that may hold the time of a step, the likeliest first."""
    candidates = [
        column for column in found.free()
        if column.is_timestamp or _named(column, _TIME_NAME) or (column.is_whole and not found.by_row)
    ]  # fmt: skip
    candidates = [
        column
        for column in candidates
        if column.steps == found.table.records and not column.is_text and column.unread <= 0.01
    ]
    return sorted(candidates, key=lambda column: (not _named(column, _TIME_NAME), not column.is_timestamp))


def _clocked(column: Column, groups: Codes) -> bool:
    """Whether a column orders the steps of each sequence: no moment twice; numbers increase as they stand."""
    if not _named(column, _TIME_NAME) and np.bincount(groups).max() < 3:
        return False
    order = np.lexsort([column.numbers, groups] if column.is_timestamp else [groups])
    inside = np.diff(groups[order]) == 0
    return bool(np.all(np.diff(column.numbers[order])[inside] > 0))


def _find_time(found: _Found) -> None:
    clocks = _clocks(found)
    groups = found.groups
    for clock in clocks:
        if _clocked(clock, groups[clock.row]):
            why = "timestamps, none twice" if clock.is_timestamp else "numbers that increase"
            where = "in a sequence" if found.sequence_id or found.by_row else "in the file"
            by_name = "by its name; " if _named(clock, _TIME_NAME) else ""
            found.take("time", clock, f"{by_name}{why} {where}")
            return
    if repeating := _words(c for c in clocks if c.is_timestamp or _named(c, _TIME_NAME)):
        question = f"which column tells sequences apart? {repeating} looks like a time, but does not increase"
        found.guesses.append(Guess("data.time", None, "the order of the rows counts", question))
    elif not found.by_row:
        found.guesses.append(Guess("data.time", None, "none found: the order of the rows counts"))


def _find_label(found: _Found, one_series: bool) -> None:
    """The column that holds the answer: by its name, else the only one that can be it."""
    scalars = [c for c in found.free() if not c.steps and not c.is_timestamp and c.kind != "text"]
    scalars = [column for column in scalars if len(column.distinct) > 1 and not _is_name_of_things(column)]
    if any(column.name.lower() == "z" for column in scalars):  # then y is no answer, but between x and z
        scalars = [column for column in scalars if column.name.lower() != "y"]
    strong = [column for column in scalars if _named(column, _LABEL_NAME)]
    named = strong or [column for column in scalars if _named(column, _LIKE_LABEL_NAME)]
    if len(named) == 1:
        found.take("label", named[0], f"by its name; {_label_words(found, named[0])}")
        return
    fits = named or [column for column in scalars if _could_be_label(column, found)]
    last = found.table.columns[-1]
    if len(fits) == 1 and not one_series:
        found.take("label", fits[0], f"the only column that can be it: {_label_words(found, fits[0])}")
    elif last in fits and not named:
        others = _words(column for column in fits if column is not last)
        question = f"is {last.name} the answer to learn{f', or {others}' if others else ''}?"
        found.take("label", last, f"the last column; {_label_words(found, last)}", question)
    else:
        which = f"{_words(fits)} fit equally well" if fits else "no column looks like it"
        question = f"which column holds the answer to learn? {which}"
        if found.sequence_id is not None and found.time is not None and not fits:
            question += (
                ". If each sequence runs to its end and the answer is how many steps remain, give any free "
                "name here, such as remaining, and with it label_from: remaining_steps and "
                "window: {length: 30, horizon: 0}"
            )
        found.guesses.append(Guess("data.label", None, "", question))


def _could_be_label(column: Column, found: _Found) -> bool:
    """Whether a column without a telling name can be the label: few values, the same within a sequence."""
    classes = len(column.distinct) <= FEW and (column.is_whole or column.is_text)
    if found.sequence_id is None:
        return classes and len(column.distinct) * 5 <= found.table.rows
    return _constant_within(column.codes, found.groups) and (classes or not column.is_text)


def _constant_within(codes: Codes, groups: Codes) -> bool:
    """Whether equal groups have equal codes."""
    order = np.argsort(groups, kind="stable")
    inside = np.diff(groups[order]) == 0
    return not bool(np.any(np.diff(codes[order])[inside]))


def _label_changes(found: _Found) -> bool:
    label, identity = found.label, found.sequence_id
    return label is not None and identity is not None and not _constant_within(label.codes, identity.codes)


def _label_words(found: _Found, column: Column) -> str:
    within = ""
    if found.sequence_id is not None:
        constant = _constant_within(column.codes, found.groups)
        within = ", the same in all rows of a sequence" if constant else ", changing within a sequence"
    return f"{value_words(column)}{within}"


def value_words(column: Column) -> str:
    """The distinct values of a column in words."""
    values = column.distinct
    if len(values) > 5:
        return f"{len(values):,} values such as {values[0][:40]!r}"
    return f"{len(values)} values: {', '.join(repr(value[:40]) for value in sorted(values))}"


def _is_name_of_things(column: Column) -> bool:
    """Whether nearly every text differs, or the name says that it is an id."""
    return _named(column, _ID_NAME) or (column.is_text and column.doubt is not None)


def _window(found: _Found, one_series: bool) -> Guess:
    if one_series:
        length = min(LONGEST_WINDOW, max(1, found.table.rows // 10))
        why = f"one series; {LONGEST_WINDOW} steps or a tenth of the rows; the label lies one step ahead"
    else:
        shortest = int(np.bincount(found.groups, minlength=1).min())
        length = min(LONGEST_WINDOW, max(1, shortest // 2))
        why = f"the label changes within a sequence; {LONGEST_WINDOW} steps or half of the shortest"
    return Guess("data.window", {"length": length, "stride": 1, "horizon": 1}, why)


def _ask_what_rows_are(found: _Found) -> None:
    if not found.by_row and found.sequence_id is None and found.time is None:
        question = (
            "which rows belong together? As it stands each is a sequence of one step. Name the column here; "
            "or, if the rows are one series in their order, give data.window and split: {by: order}"
        )
        found.guesses.insert(0, Guess("data.sequence_id", None, "each row is a sequence", question))


def _ignore_what_is_no_feature(found: _Found) -> None:
    """Ids, moments, names that are taken, and columns that tell the label."""
    for column in found.free():
        if column.name in (*RESERVED_FEATURES, ""):
            found.ignored[column.name] = "its name is taken; rename it to use it"
        elif column.is_timestamp:
            found.ignored[column.name] = "moments; data.time has room for one column"
        elif _is_name_of_things(column):
            each = " nearly" if len(column.distinct) < len(column.row) else ""
            differs = len(column.distinct) * 2 > len(column.row)
            found.ignored[column.name] = (
                f"an id: it differs in{each} every row" if differs else "an id, by its name"
            )
        elif column.doubt is not None:
            found.ignored[column.name] = column.doubt.partition(";")[0]
        elif found.label is not None and _tells(column, found.label, found):
            found.ignored[column.name] = f"each of its values goes with one {found.label.name} only"
            question = (
                f"{column.name} tells {found.label.name}: is it known before the answer is? "
                "If so, take it out of ignore"
            )
            found.guesses.append(Guess("data.ignore", None, "", question))


def _tells(column: Column, label: Column, found: _Found) -> bool:
    """Whether every value of a column, each seen several times, goes with one class only."""
    if column.steps or column.kind == "text" or (not label.is_text and len(label.distinct) > FEW):
        return False
    rows: npt.NDArray[np.int64] = np.arange(len(label.row))
    if found.sequence_id is not None and _constant_within(column.codes, found.groups):
        rows = np.unique(found.groups, return_index=True)[1]
    several = len(np.unique(column.codes[rows])) * 5 <= len(rows)
    return several and _constant_within(label.codes[rows], column.codes[rows])
