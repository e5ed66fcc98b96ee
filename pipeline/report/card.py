"""The model card: what a run knows of its model, beside what only people can write.

The headings are those of Mitchell et al., Model Cards for Model Reporting, 2019,
https://arxiv.org/abs/1810.03993.
"""

import re
from pathlib import Path
from typing import Any

import jinja2

from components.verdict.slices import slice_text
from pipeline import record, summary
from pipeline.figures import figure
from pipeline.report.source import RunFiles
from pipeline.words import on_one_line

CARD = "model_card.md"
# What only people know, and what is asked of them.
BLANKS = {
    "owners": "who answers for the model, and how to reach them",
    "intended_use": "what the model is for, and who may use it",
    "out_of_scope": "what it must not be used for",
    "data_provenance": "where the data comes from, who agreed to its use, and how the labels came about",
    "ethical_considerations": "whom a wrong answer harms, and what is done about it",
    "caveats": "what the figures do not show",
}
_BEGIN, _END = "<!-- people: {} -->", "<!-- /people -->"
_WRITTEN = re.compile(r"<!--\s*people:\s*(.+?)\s*-->(.*?)<!--\s*/people\s*-->", re.DOTALL)
_LONGEST = 120
_SLICES = 30


def card(files: RunFiles, written: dict[str, str]) -> str:
    """The model card as Markdown.

    Args:
      files: of the run.
      written: blank to what people have written there, see `written_by_people`.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("pipeline.report"), trim_blocks=True, lstrip_blocks=True,
        undefined=jinja2.StrictUndefined, autoescape=False,  # noqa: S701 (Markdown: `md` escapes)
    )  # fmt: skip
    environment.filters |= {"md": _escaped, "figure": lambda one: "–" if one is None else figure(one)}
    extra = {name: text for name, text in written.items() if name not in BLANKS}
    evaluation = files[record.EVALUATION].value or {}
    overall = (evaluation.get("slices") or [{"metrics": {}}])[0]["metrics"]
    return environment.get_template("model_card.md").render(
        run=files.run,
        headline=summary.headline(files.run),
        trained=summary.training_line(files.run),
        validation=files[record.VALIDATION].value,
        decisions=(files[record.VERDICT].value or {}).get("decisions", []),
        slices=evaluation.get("slices", [])[:_SLICES],
        left_out=max(0, len(evaluation.get("slices", [])) - _SLICES),
        columns=summary.columns_of(overall),
        slice_text=slice_text,
        shown_metric=lambda name, one: summary.shown_metric(name, one, overall),
        blank=lambda name: _blank(name, written.get(name)),
        extra=extra,
    )


def written_by_people(folder: Path) -> dict[str, str]:
    """What people have written: of each blank what the run's own card has, else the newest card before it."""
    earlier = [run for run in record.runs(folder.parent) if run.name < folder.name]
    found: dict[str, str] = {}
    for run in (folder, *earlier):
        found = blanks((read(run) or b"").decode("utf-8", "replace")) | found
    return found


def read(folder: Path) -> bytes | None:
    """The card of a run as it is; None where there is none."""
    try:
        return (folder / CARD).read_bytes()
    except OSError:
        return None


def blanks(text: str) -> dict[str, str]:
    """Blank to what is written there, where anything is; of one that occurs twice both."""
    found: dict[str, str] = {}
    for name, said in _WRITTEN.findall(text.replace("\r\n", "\n")):
        if (said := said.strip()) not in ("", _asked(name)):
            found[name] = f"{found[name]}\n\n{said}" if name in found else said
    return found


def lost(before: bytes, after: str) -> bool:
    """Whether a card has a line of words that the one which replaces it lacks."""
    kept = {line.strip() for line in after.splitlines()}
    try:
        lines = before.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        return True
    words = (line.strip() for line in lines if not line.strip().startswith(("*To be written: ", "<!--")))
    return any(line and line not in kept for line in words)


def _asked(name: str) -> str:
    return f"*To be written: {BLANKS.get(name, name)}.*"


def _blank(name: str, text: str | None) -> str:
    return f"{_BEGIN.format(name)}\n{text or _asked(name)}\n{_END}"


def _escaped(value: Any) -> str:
    """Text that Markdown takes as text, on one line."""
    text = on_one_line(str(value)[: 2 * _LONGEST])
    text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    return re.sub(r"([\\`*_{}\[\]<>#|&$~]|^[-+])", r"\\\1", text)
