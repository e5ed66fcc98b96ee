"""Plots as SVG that takes its colours from the page, light or dark, and says in words what it shows.

matplotlib draws; nothing of it reaches the page but shapes and text, its text stays text.
"""

import hashlib
import io
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import wraps
from itertools import pairwise
from typing import Any

import matplotlib as mpl
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pipeline.report.source import EMPTY

# What matplotlib is told, and the variable of the page that it becomes.
_COLOURS = {
    "#010101": "var(--ink)", "#020202": "var(--muted)", "#030303": "var(--line)", "#040404": "var(--train)",
    "#050505": "var(--eval)", "#060606": "var(--bad)", "#070707": "var(--paper)", "#080808": "var(--third)",
}  # fmt: skip
INK, MUTED, LINE, TRAIN, EVAL, BAD, PAPER, THIRD = _COLOURS
_SERIES = (TRAIN, EVAL, THIRD, BAD, MUTED)
_STYLE: Any = {  # matplotlib 3.11 lists every key in its types, 3.10 takes any
    "svg.fonttype": "none", "svg.hashsalt": "sluice",
    "text.parse_math": False, "axes.formatter.use_mathtext": False, "axes.formatter.useoffset": False,
    "font.family": "sans-serif", "font.size": 9.0,
    "text.color": INK, "axes.labelcolor": MUTED, "axes.edgecolor": LINE, "axes.titlesize": 9.5,
    "axes.titlelocation": "left", "axes.spines.top": False, "axes.spines.right": False,
    "axes.facecolor": "none", "axes.titlecolor": INK, "axes.unicode_minus": False,
    "xtick.color": LINE, "ytick.color": LINE, "xtick.labelcolor": MUTED, "ytick.labelcolor": MUTED,
    "axes.grid": True, "grid.color": LINE, "grid.linewidth": 0.6, "axes.axisbelow": True,
    "lines.linewidth": 1.6, "legend.frameon": False, "legend.labelcolor": INK, "figure.facecolor": "none",
}  # fmt: skip
_LONGEST = 40  # characters of a name in a plot

Points = Sequence[tuple[float, float]]
Buckets = Sequence[tuple[float, float, float]]  # low end, high end, count


def _or_words(draw: Callable[..., Markup]) -> Callable[..., Markup]:
    """What a plot shows in words where it cannot be drawn, as with times before year 1 or after 9999."""

    @wraps(draw)
    def drawn(*arguments: Any, said: str, **options: Any) -> Markup:
        try:
            return draw(*arguments, said=said, **options)
        except (ArithmeticError, ValueError) as error:
            return Markup("<p>{} It cannot be drawn ({}).</p>").format(said, error)

    return drawn


@dataclass(frozen=True)
class Curve:
    """A line of a plot.

    Attributes:
      name: of it.
      points: x and y of each.
      dashed: whether it is a second kind of line.
    """

    name: str
    points: Points
    dashed: bool = False


@dataclass(frozen=True)
class Panel:
    """One plot of lines.

    Attributes:
      title: of it.
      x: what the horizontal axis shows.
      y: what the vertical one shows.
      curves: the lines.
      diagonal: whether to draw the line of chance, or of perfect calibration.
      unit: whether both axes are from 0 to 1.
      mark: x of a line upwards, and what it says.
      dots: whether to draw the points too.
      whole: whether x is a whole number.
    """

    title: str
    x: str
    y: str
    curves: Sequence[Curve]
    diagonal: bool = False
    unit: bool = False
    mark: tuple[float, str] | None = None
    dots: bool = False
    whole: bool = False


@_or_words
def lines(panels: Sequence[Panel], *, said: str) -> Markup:
    """Plots of lines side by side.

    Args:
      panels: at least one.
      said: what they show, in words.
    """
    with _figure(len(panels)) as (figure, axes):
        for axis, panel in zip(axes, panels, strict=True):
            _draw(axis, panel)
        return _svg(figure, said)


@_or_words
def histograms(
    titled: Mapping[str, Mapping[str, Buckets]], *, said: str, mark: tuple[float, str] | None = None
) -> Markup:
    """Histograms, those of one title in one plot: as shares, so that splits of other sizes compare."""
    with _figure(len(titled), each=(2.35, 1.75) if len(titled) > 1 else (7.2, 2.3)) as (figure, axes):
        for axis, (title, of) in zip(axes, titled.items(), strict=False):
            axis.set_title(shortened(title, 24))
            for colour, (name, buckets) in zip(_SERIES, of.items(), strict=False):
                _stairs(axis, buckets, colour, name)
            if mark:
                axis.axvline(mark[0], color=BAD, linewidth=1.2, linestyle="--", label=mark[1])
            axis.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f} %")
            axis.yaxis.set_major_locator(MaxNLocator(3))
            axis.xaxis.set_major_locator(MaxNLocator(4))
            axis.grid(axis="x", visible=False)
        for axis in axes[len(titled) :]:
            axis.set_visible(False)
        axes[0].legend(loc="upper right", fontsize=8)
        return _svg(figure, said)


@_or_words
def scatter(points: Points, residuals: Sequence[float], label: str, *, said: str) -> Markup:
    """Predictions against the truth, and how the errors are distributed."""
    with _figure(2) as (figure, (against, errors)):
        truth, predicted = np.array(points, np.float64).reshape(-1, 2).T
        both = [min(truth.min(), predicted.min()), max(truth.max(), predicted.max())]
        against.plot(both, both, color=MUTED, linewidth=1, linestyle="--")
        against.plot(truth, predicted, "o", color=EVAL, markersize=2.6, alpha=0.55, markeredgewidth=0)
        against.set(title="Predicted against true", xlabel=shortened(label), ylabel="prediction")
        counts, edges = np.histogram(residuals, bins=30)
        errors.stairs(counts, edges, fill=True, color=EVAL, alpha=0.6)
        errors.axvline(0, color=MUTED, linewidth=1, linestyle="--")
        errors.set(title="Residuals", xlabel="prediction minus label", ylabel="sequences")
        return _svg(figure, said)


@_or_words
def time_axis(
    spans: Sequence[tuple[str, float, float]], *, said: str, dates: bool, cutoff: float | None
) -> Markup:
    """Splits on one axis of time, from the first step of each to its last."""
    with _figure(1, each=(7.2, 0.55 + 0.33 * len(spans))) as (figure, (axis,)):
        at: Callable[[float], Any] = _moment if dates else float
        for row, (name, first, last) in enumerate(spans):
            colour = {"train": TRAIN, "eval": EVAL}.get(name, MUTED)
            axis.plot([at(first), at(last)], [row, row], color=colour, linewidth=9, solid_capstyle="butt")
            axis.plot([at(first)], [row], "|", color=colour, markersize=9)  # a split may be one moment
        for (_, _, end), (_, begin, _) in pairwise(spans):
            if end < begin:
                axis.axvspan(at(end), at(begin), color=MUTED, alpha=0.18, linewidth=0)
        if cutoff is not None:
            axis.axvline(at(cutoff), color=BAD, linewidth=1.2, linestyle="--")
        axis.set_yticks(range(len(spans)), [name for name, _, _ in spans])
        axis.set_ylim(len(spans) - 0.4, -0.6)
        axis.grid(axis="y", visible=False)
        axis.spines["left"].set_visible(False)
        if dates:
            locator = AutoDateLocator(maxticks=7)
            axis.xaxis.set_major_locator(locator)
            axis.xaxis.set_major_formatter(ConciseDateFormatter(locator))
        else:
            axis.xaxis.set_major_locator(MaxNLocator(6))
        return _svg(figure, said)


def shortened(text: str, longest: int = _LONGEST) -> str:
    """A name as it fits into a plot, on one line."""
    line = " ".join("".join(one if one.isprintable() else " " for one in text[: 2 * longest]).split())
    return line if len(line) <= longest and len(text) <= 2 * longest else f"{line[: longest - 1]}…"


def _label(name: str) -> str:
    """A name for the legend, which leaves out those that are empty or begin with an underscore."""
    text = shortened(name, 24) or EMPTY
    return f"\u200b{text}" if text.startswith("_") else text


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)


@contextmanager
def _figure(panels: int, each: tuple[float, float] | None = None) -> Iterator[tuple[Figure, list[Axes]]]:
    """A figure of panels, at most three, or of small ones four, beside each other."""
    across = min(panels, 4 if panels > 3 else 3)
    down = -(-panels // across)
    width, height = each or ((7.2, 2.8) if across == 1 else (8.4 / across, 2.9))
    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of glyphs that its own fonts lack: the browser has others
        figure = Figure(figsize=(width * across, height * down), layout="constrained")
        yield figure, list(np.ravel(figure.subplots(down, across, squeeze=False)))


def _draw(axis: Axes, panel: Panel) -> None:
    if panel.diagonal:
        axis.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=":")
    for number, curve in enumerate(panel.curves):
        x, y = np.array(curve.points, np.float64).reshape(-1, 2).T
        axis.plot(
            x, y, color=_SERIES[number % len(_SERIES)], linestyle="--" if curve.dashed else "-",
            marker="o" if panel.dots else None, markersize=3.2, label=_label(curve.name),
        )  # fmt: skip
    if panel.mark:
        axis.axvline(panel.mark[0], color=BAD, linewidth=1.2, linestyle="--", label=panel.mark[1])
    if panel.unit:
        axis.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    if panel.whole:
        last = max((x for curve in panel.curves for x, _ in curve.points), default=1)
        axis.set_xlim(0.5, last + 0.5)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set(title=panel.title, xlabel=panel.x, ylabel=panel.y)
    if 1 < len(panel.curves) + bool(panel.mark) <= len(_SERIES) + 1:
        axis.legend(fontsize=7.5)


def _stairs(axis: Axes, buckets: Buckets, colour: str, name: str) -> None:
    """Buckets as shares of all; one that is a single value is drawn with a width."""
    found = np.array(buckets, np.float64).reshape(-1, 3)
    if not len(found):
        return
    low, high, counts = found.T
    edges = np.append(low, high[-1])
    if edges[0] == edges[-1]:
        edges, counts = np.array([low[0] - 0.5, low[0] + 0.5]), np.array([counts.sum()])
    shares = counts / max(counts.sum(), 1)
    axis.stairs(shares, edges, color=colour, linewidth=1.5, label=name)
    axis.stairs(shares, edges, color=colour, fill=True, alpha=0.18)


def _svg(figure: Figure, said: str) -> Markup:
    """The figure as an SVG element for the page: described in words, its ids its own."""
    written = io.StringIO()
    nothing: dict[str, Any] = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(written, format="svg", metadata=nothing)
    text = written.getvalue()
    own = hashlib.sha256(text.encode() + said.encode()).hexdigest()[:10]
    text = re.sub(
        r"<metadata>.*?</metadata>|<defs>\s*<style.*?</style>\s*</defs>|<!--.*?-->", "", text, flags=re.DOTALL
    )
    text = re.sub(r'(\bid="|url\(#|xlink:href="#)', rf"\g<1>p{own}-", text)
    text = re.sub(
        "(?<=(?:fill|roke): )#0[1-8]0[1-8]0[1-8]", lambda found: _COLOURS.get(found[0], found[0]), text
    )
    inside = text[text.index(">", text.index("<svg")) + 1 :]
    (box,) = re.findall(r'viewBox="([0-9. ]+)"', text)[:1]
    width = float(box.split()[2])
    opening = Markup(
        '<svg class="plot" role="img" viewBox="{0}" style="max-width:{1}px;--wide:{1}px" aria-label="{2}">'
    )
    return opening.format(box, round(width * 1.45), said) + Markup(inside)  # noqa: S704 (matplotlib escapes all text)
