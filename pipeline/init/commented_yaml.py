"""Writes guesses as commented YAML."""

import json
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import yaml

from pipeline.config import Model, Training
from pipeline.init.file_format import Guess

_WIDTH = 118
_COMMENT_AT = 40
_DATA = (
    "source", "format", "payload", "delimiter", "quoted", "columns", "header", "on_bad_rows",
    "sequence_id", "time", "label", "window", "features", "ignore",
)  # fmt: skip


def render(
    guesses: Sequence[Guess], ignored: Mapping[str, str], intro: Sequence[str], schema: str | None
) -> str:
    """The commented YAML of a configuration.

    Args:
      guesses: the keys.
      ignored: columns to leave out, and why.
      intro: what stands at the top.
      schema: file name of the schema to propose; None for none.
    """
    of = {
        key: [guess for guess in guesses if guess.key == key] for key in dict.fromkeys(g.key for g in guesses)
    }
    lines = [f"# {line}" for line in intro]
    for key in ("name", "task"):
        lines += _entries(of.get(key, ()), "")
    lines += ["", "data:"]
    for key in _DATA:
        lines += _entries(of.get(f"data.{key}", ()), "  ")
    if ignored:
        lines.append("  ignore:")
        lines += [line for name, why in ignored.items() for line in _beside(f"    - {scalar(name)}", why)]
    for key in ("split", "gate"):
        if key in of:
            lines += ["", *_entries(of[key], "")]
    if schema:
        why = "review that file, then uncomment this: data that does not fit is refused"
        lines += ["", *_beside(f"# schema: {schema}", why)]
    return "\n".join([*lines, "", *_defaults()]) + "\n"


def scalar(text: str) -> str:
    """Text as YAML reads it back."""
    plain = re.fullmatch(r"[A-Za-z_./][\w./-]*", text) and yaml.safe_load(text) == text
    return text if plain else json.dumps(text, ensure_ascii=False)


def flow(value: Any) -> str:
    """A value on one line."""
    opening, closing = _brackets(value)
    return f"{opening}{', '.join(_items(value))}{closing}"


def _brackets(value: Any) -> tuple[str, str]:
    return ("{", "}") if isinstance(value, Mapping) else ("[", "]") if isinstance(value, tuple) else ("", "")


def _items(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [f"{scalar(key)}: {flow(item)}" for key, item in value.items()]
    if isinstance(value, tuple):
        return [flow(item) for item in value]
    return [scalar(value) if isinstance(value, str) else json.dumps(value)]


def _entries(guesses: Iterable[Guess], indent: str) -> Iterator[str]:
    for guess in guesses:
        key = guess.key.rpartition(".")[2]
        if guess.question:
            yield from _comment(f"QUESTION: {guess.question}", indent)
        if guess.value is not None:
            yield from _entry(key, guess.value, guess.why, indent)
        elif guess.why:
            yield from _comment(f"{key}: {guess.why}", indent)


def _entry(key: str, value: Any, why: str, indent: str) -> list[str]:
    line = f"{indent}{key}: {flow(value)}"
    if len(line) <= _WIDTH:
        return _beside(line, why)
    if isinstance(value, Mapping):
        parts = [
            line for name, item in value.items() for line in _entry(scalar(name), item, "", f"{indent}  ")
        ]
        return [*_beside(f"{indent}{key}:", why), *parts]
    opening, closing = _brackets(value)
    lines = [f"{indent}{key}: {opening}"]
    for item in _items(value):
        if len(lines[-1]) + len(item) > _WIDTH:
            lines.append(f"{indent}   ")
        lines[-1] += f"{item}, " if opening else item
    return [
        *_comment(why, indent),
        *(line.rstrip() for line in lines[:-1]),
        f"{lines[-1].rstrip(', ')}{closing}",
    ]


def _beside(line: str, why: str) -> list[str]:
    """A line and its comment, which stands above where there is no room."""
    if not why:
        return [line]
    both = f"{line + '  ':<{_COMMENT_AT}}# {_printable(why)}"
    indent = line[: len(line) - len(line.lstrip())]
    return [both] if len(both) <= _WIDTH else [*_comment(why, indent), line]


def _comment(text: str, indent: str) -> list[str]:
    start = f"{indent}# "
    return textwrap.wrap(
        _printable(text), _WIDTH, break_long_words=False, initial_indent=start, subsequent_indent=f"{start}  "
    )


def _printable(text: str) -> str:
    """What stands in the data may break a comment."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _defaults() -> list[str]:
    model, training = Model(), Training()
    return [
        "# What the model is, unless this says otherwise:",
        f"# model: {{units: {list(model.units)}, dropout: {model.dropout}, bidirectional: false}}",
        f"# training: {{epochs: {training.epochs}, batch_size: {training.batch_size}, "
        f"learning_rate: {training.learning_rate}, patience: {training.patience}}}",
    ]
