"""`sluice init`: looks at a file, and writes a first configuration and a first schema to review."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from components.ingest.layout import look
from components.trainer.classes import in_order
from pipeline import locations
from pipeline.config import Config, Data, expand
from pipeline.errors import ConfigError, DataRefused
from pipeline.init.commented_yaml import flow, render
from pipeline.init.file_format import Guess, Value, guess_format
from pipeline.init.first_schema import schema_text
from pipeline.init.roles import FEW, Roles, guess_roles, value_words
from pipeline.init.sampled_rows import Column, Table, read_table

_UNSHOWN = ("name", "data.source", "gate")


@dataclass(frozen=True)
class FirstConfig:
    """Everything that was guessed.

    Attributes:
      guesses: the keys, with reasons and questions.
      ignored: columns to leave out, and why.
      table: the rows looked at.
      label: the column of the label, if one was found.
    """

    guesses: tuple[Guess, ...]
    ignored: Mapping[str, str]
    table: Table
    label: Column | None

    @property
    def questions(self) -> list[str]:
        """What could not be told."""
        return [f"{guess.key}: {guess.question}" for guess in self.guesses if guess.question]

    def value(self, key: str) -> Any:
        """What a key was guessed to be; None where it is left out."""
        return next((guess.value for guess in self.guesses if guess.key == key), None)


def write(data: str, output: Path, *, force: bool = False) -> list[str]:
    """Writes a configuration and a schema, and gives what to tell the user, line by line.

    Args:
      data: a file or glob.
      output: the configuration; the schema goes beside it.
      force: overwrite what is there.

    Raises:
      ConfigError: no file matches, or there is something to overwrite.
      DataRefused: the file cannot be read.
    """
    schema = output.with_suffix(".pbtxt")
    existing = [str(path) for path in (output, schema) if path.exists()]
    if existing and not force:
        raise ConfigError(f"{' and '.join(existing)}: already there; --force overwrites, -o writes elsewhere")
    first = guess_config(data)
    text, without_schema = _schema(first, data)
    source = Guess("data.source", _relative(first.value("data.source"), output.parent))
    guesses = [source if guess.key == source.key else guess for guess in first.guesses]
    files = {
        output: render(guesses, first.ignored, _intro(first, data, output), schema.name if text else None)
    }
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        for path, content in {**files, **({schema: text} if text else {})}.items():
            path.write_text(content, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{output}: cannot be written ({error.strerror})") from error
    wrote = f"wrote {output}{f' and {schema}' if text else ''}"
    return [*_summary(first, data), wrote, *without_schema]


def guess_config(data: str) -> FirstConfig:
    """Looks at the files that a path or glob names, and guesses their configuration."""
    if locations.is_folder(data):
        raise ConfigError(
            f"{data} is a folder; give one of its files, or a quoted glob such as '{data}/*.csv'"
        )
    source = _train_and_eval(data)
    paths = expand([*source.values()] or [data])
    kind, form, row_names = guess_format(paths[0])
    table = read_table(paths, Data.model_validate({"source": tuple(paths), **_keys_of_data(form)}), kind)
    named = kind not in ("ts", "text")
    roles = guess_roles(table, row_names) if named else _roles_without_names(table, kind)
    guesses = (
        Guess("name", model_name(data), "what TensorFlow Serving calls the model; from the file's name"),
        Guess("data.source", source or data, "a pair, by their names" if source else ""),
        *form,
        *roles.guesses,
        *(_about_features(roles) if named else ()),
        _task(roles, kind),
        _split(roles, given=bool(source), kind=kind),
    )
    guesses += tuple(_gate(guesses, roles))
    return FirstConfig(guesses, roles.ignored, table, roles.label)


def _keys_of_data(guesses: Iterable[Guess]) -> dict[str, Any]:
    values = ((guess.key.partition("."), guess.value) for guess in guesses)
    return {key: value for (section, _, key), value in values if section == "data" and value is not None}


def model_name(data: str) -> str:
    """A name for a model, from that of a file or glob: lower-case letters, digits and _."""
    path = Path(data)
    for candidate in (path.name.partition(".")[0], path.absolute().parent.name):
        spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", re.sub(r"(?i)_?train$", "", candidate))
        words = re.sub(r"[^a-z0-9]+", "_", spaced.lower()).strip("_")
        if re.match("[a-z]", words):
            return words
    return "model"


def _train_and_eval(data: str) -> dict[str, str]:
    """Both files of the UEA archive's pairs; empty where the file is not one of them."""
    if found := re.fullmatch(r"(.*)_TRAIN(\.ts(?:\.gz)?)", data):
        sibling = f"{found[1]}_TEST{found[2]}"
        if locations.is_file(sibling):
            return {"train": data, "eval": sibling}
    return {}


def _roles_without_names(table: Table, kind: str) -> Roles:
    """What a ts or text file holds: its format says."""
    label = next((column for column in table.columns if not column.steps), None)
    features = tuple(column for column in table.columns if column.kind and column.steps)
    if kind == "ts":
        asked = "" if label else "where is the answer to learn? The file has no label after the last colon"
        return Roles(
            (Guess("data.label", None, "", asked),) if asked else (), {}, features, label, False, False
        )
    length = min(100, max(1, len(features[0].row) // 10))
    why = "as many characters at a time, or a tenth of the text"
    window = Guess("data.window", {"length": length, "stride": length}, why)
    return Roles((window,), {}, features, None, True, False)


def _about_features(roles: Roles) -> Iterator[Guess]:
    kinds = {column.name: column.kind for column in roles.features}
    if set(kinds.values()) - {"float", "integer"}:
        yield Guess("data.features", kinds, "float, integer, category or text")
    elif kinds:
        yield Guess("data.features", None, f"the other {len(kinds)} columns, all numbers")
    else:
        yield Guess("data.features", None, "", "which columns should the model read? None is left")


def _task(roles: Roles, kind: str) -> Guess:
    label = roles.label
    if label is None:
        if kind == "text" or any(column.kind == "text" for column in roles.features):
            return Guess("task", "generation", "text without a label: the model learns what comes next")
        question = (
            "is the answer a class (binary, multiclass), a number (regression) or the next step "
            "(generation, which has no label)? No label was found"
        )
        return Guess("task", "multiclass" if kind == "ts" else "regression", "", question)
    number, words = len(label.distinct), value_words(label)
    whole = not label.is_text and bool(np.all(label.numbers == np.floor(label.numbers)))
    if label.is_text or (whole and number <= FEW):
        return Guess("task", "binary" if number == 2 else "multiclass", f"the label has {words}")
    return Guess("task", "regression", f"the label is a number: {words}")


def _split(roles: Roles, *, given: bool, kind: str) -> Guess:
    by, why = "sequence", "by a hash of the content, so that what is equal stays on one side"
    if given:
        return Guess("split", None, "the files give it")
    if kind == "text":
        by, why = "order", "the last part of the text judges the model"
    elif roles.one_series:
        by, why = "time", "one series: what comes later judges the model"
    elif any(guess.key == "data.sequence_id" and guess.value for guess in roles.guesses):
        why = "by a hash of the id, so that a sequence is on one side and stays there"
    return Guess("split", {"by": by, "eval_fraction": 0.2}, why)


def _schema(first: FirstConfig, data: str) -> tuple[str, list[str]]:
    """The schema; or none, and why."""
    keys = {**_keys_of_data(first.guesses), "ignore": tuple(first.ignored)}
    task = "generation" if first.label is None else first.value("task")
    try:
        layout = look(Config.model_validate({"name": "first", "task": task, "data": keys}))
    except DataRefused as refused:
        return "", [
            "no schema could be made yet:",
            *(f"  - {why}" for why in refused.problems or (refused.summary,)),
        ]
    known = first.table.complete and task != "regression" and first.label is not None
    classes = sorted(first.label.distinct) if known and first.label and not first.label.is_fractional else []
    return schema_text(
        layout, [value for value in classes if value], f"{first.table.looked_at} of {data}"
    ), []


def _gate(guesses: Iterable[Guess], roles: Roles) -> Iterator[Guess]:
    found = {guess.key: guess.value for guess in guesses}
    task = str(found["task"])
    bounds: tuple[dict[str, object], ...] = ()
    if task == "multiclass":
        bounds = ({"metric": "recall_macro", "min": 0.8},)
        classes = (
            f"{1 / len(roles.label.distinct):.2f}" if roles.label else "one in as many as there are classes"
        )
        why = f"mean recall of the classes; guessing reaches {classes}"
    elif task == "binary":
        bounds = ({"metric": "recall", "min": 0.8}, {"metric": "precision", "min": 0.8})
        last = f" {in_order(sorted(filter(None, roles.label.distinct)), None)[-1]!r}" if roles.label else ""
        why = f"of the class{last} (data.positive chooses the other one)"
    elif task == "regression":
        bounds = ({"metric": "r2", "min": 0.5},)
        why = "share of the label's variance that is explained; the mean reaches 0"
    elif task == "generation":
        kinds = found.get("data.features")
        numbers = isinstance(kinds, Mapping) and set(kinds.values()) <= {"float", "integer"}
        bounds = ({"metric": "rmse", "max": 0.9},) if numbers else ({"metric": "perplexity", "max": 20.0},)
        why = "in standard deviations; the mean reaches 1" if numbers else "tokens it wavers between"
    if bounds:
        yield Guess("gate", {"thresholds": bounds}, f"{why}: set what you need")


def _relative(source: Value, folder: Path) -> Value:
    """The source as the configuration names it: a relative path relative to its folder."""
    if isinstance(source, Mapping):
        return {split: _relative(path, folder) for split, path in source.items()}
    path = Path(str(source))
    if locations.is_remote(str(source)) or path.is_absolute():
        return str(source)
    return os.path.relpath(path.parent.resolve() / path.name, folder.resolve())


def _intro(first: FirstConfig, data: str, output: Path) -> list[str]:
    lines = [
        f"Guessed by `sluice init` from {first.table.looked_at} of {data}.",
        f"Review it, then: sluice check {output.name}",
    ]
    if first.questions:
        lines.append(f"What could not be told is marked QUESTION: {len(first.questions)} of them.")
    return lines


def _summary(first: FirstConfig, data: str) -> list[str]:
    """What was guessed and why, then what is left to answer."""
    shown = [guess for guess in first.guesses if guess.value is not None and guess.key not in _UNSHOWN]
    lines = [f"looked at {first.table.looked_at} of {data}"]
    lines += [
        f"  {guess.key:<18}{flow(guess.value)}{f'  ({guess.why})' if guess.why else ''}" for guess in shown
    ]
    lines += [f"  {'data.ignore':<18}{name}  ({why})" for name, why in first.ignored.items()]
    if first.questions:
        number = len(first.questions)
        lines += [f"{number} question{'' if number == 1 else 's'} left, also in the file:"]
        lines += [f"  - {question}" for question in first.questions]
    return lines
