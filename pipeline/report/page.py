"""The page of a run: a pure function from its JSON files to text."""

import base64
import hashlib
from collections.abc import Sequence
from functools import cache, partial
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup

from pipeline import summary
from pipeline.figures import figure
from pipeline.report.blocks import Section
from pipeline.report.data import data, features, findings
from pipeline.report.evaluation import against, evaluation, requirements
from pipeline.report.outcome import outcome, tone
from pipeline.report.serving import reproduction, serving
from pipeline.report.source import EMPTY, Number, RunFiles
from pipeline.report.training import training

_PARTS = (
    outcome, requirements, findings, data, features, training, evaluation, against, serving, reproduction,
)  # fmt: skip
_LONGEST = {"short": 300, "name": 100}  # characters that are shown; the JSON files have the whole
_KEPT = {"short": "\u200d\n\t", "name": "\u200d"}  # joins emoji, and breaks lines where lines may be


def page(files: RunFiles) -> str:
    """The page of one run, complete: it asks nobody for anything."""
    sections = [section for section in (part(files) for part in _PARTS) if section.blocks]
    run = files.run
    return rendered(f"{run['name']} {run['run_id']}", summary.headline(run), tone(run), sections)


def rendered(title: str, headline: str, tone: str, sections: Sequence[Section]) -> str:
    """Sections as HTML."""
    template = _environment().get_template("page.html")
    found: str = template.render(
        title=title, headline=headline, tone=tone, sections=sections, script_hash=_script_hash()
    )
    return found


@cache
def _environment() -> jinja2.Environment:
    """The templates; whatever they are given is text, unless it is Markup."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("pipeline.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"figure": _figure, "count": _count, "percent": _percent}
    environment.filters |= {name: partial(_shown, longest=_LONGEST[name], kept=_KEPT[name]) for name in _KEPT}
    environment.tests["of"] = lambda one, name: type(one).__name__ == name
    environment.globals |= {"included": _included}
    return environment


def _figure(number: Number) -> str:
    value = number.value
    return "–" if value is None else str(value) if isinstance(value, int) else figure(value)


def _count(number: Number) -> str:
    return "–" if number.value is None else f"{number.value:,.0f}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _shown(text: Any, longest: int, kept: str) -> str:
    """A text as it is shown: of a very long one the beginning, and how long it is.

    What has no look of its own is written out, for it might change how the rest looks.
    """
    whole = str(text) or EMPTY
    more = f"… ({len(whole):,} characters)" if len(whole) > longest else ""
    shown = whole[:longest]
    if not shown.isprintable():
        shown = "".join(one if one.isprintable() or one in kept else ascii(one)[1:-1] for one in shown)
    return shown + more


def _included(name: str) -> Markup:
    """A file of ours, as it is."""
    return Markup((resources.files(__package__) / "templates" / name).read_text("utf-8"))  # noqa: S704


def _script_hash() -> str:
    """What the page's policy knows its only script by."""
    digest = hashlib.sha256(_included("page.js").encode()).digest()
    return base64.b64encode(digest).decode()
