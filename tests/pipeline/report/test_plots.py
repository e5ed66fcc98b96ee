"""Plots take the colours of the page, keep text as text, and never share an id."""

import re
from xml.etree import ElementTree as ET

import pytest

from pipeline.report import plots


def line(title="loss", name="fitted", points=((1, 0.5), (2, 0.25))):
    panel = plots.Panel(title, "epoch", "", [plots.Curve(name, points)], mark=(2, "kept: 2"))
    return plots.lines([panel], said=f"{title} went down.")


def test_colours_are_variables_of_the_page():
    drawn = line()
    assert {"var(--train)", "var(--bad)", "var(--muted)"} <= set(re.findall(r"var\(--\w+\)", drawn))
    assert not re.search(r"#0[1-8]0[1-8]0[1-8]", drawn)


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "$x^2$", "#010101", "a & b", "שלום"])
def test_names_are_text_as_they_are(name):
    drawn = line(title=name)
    texts = ["".join(one.itertext()) for one in root(drawn).iter("text")]
    assert name in texts
    assert "<script" not in drawn


def root(drawn):
    return ET.fromstring(drawn.replace("xlink:href", "href"))  # noqa: S314 (our own)


def test_what_it_shows_is_said_in_words():
    assert root(line(title='a "quoted" name')).get("aria-label") == 'a "quoted" name went down.'


def test_two_plots_share_no_id_and_each_refers_to_its_own():
    both = [line(), line(name="held out")]
    ids = [set(re.findall(r'\bid="(.*?)"', one)) for one in both]
    assert ids[0]
    assert not ids[0] & ids[1]
    for one, own in zip(both, ids, strict=True):
        assert set(re.findall(r"(?:url\(#|href=\"#)([\w-]+)", one)) <= own


def test_a_style_for_all_of_the_page_does_not_leave_the_plot():
    assert "<style" not in line()


def test_the_share_of_a_bucket_is_its_part_of_all():
    buckets = {"train": [(0, 1, 30), (1, 2, 10)]}
    drawn = plots.histograms({"amount": buckets}, said="A histogram.")
    assert re.findall(r">(\d+ %)<", drawn)[0] == "0 %"
    assert max(int(one.removesuffix(" %")) for one in re.findall(r">(\d+ %)<", drawn)) <= 80


@pytest.mark.parametrize("buckets", [[(3, 3, 9)], [], [(0, 0, 4), (0, 0, 5)]])
def test_buckets_of_one_value_or_none_can_be_drawn(buckets):
    assert "<svg" in plots.histograms({"amount": {"train": buckets}}, said="A histogram.")


@pytest.mark.parametrize(
    ("text", "shown"),
    [("x" * 100, "x" * 39 + "…"), ("a\nb\x00c", "a b c"), ("short", "short"), ("x" * 10_000, "x" * 39 + "…")],
)
def test_names_fit_into_a_plot(text, shown):
    assert plots.shortened(text) == shown


def test_what_cannot_be_drawn_is_said_in_words():
    drawn = plots.time_axis([("train", -1e12, 1e12)], said="From <b> to c.", dates=True, cutoff=None)
    assert drawn.startswith("<p>From &lt;b&gt; to c. It cannot be drawn (")


def test_names_that_begin_with_an_underscore_and_empty_ones_are_in_the_legend():
    curves = [plots.Curve(name, [(0, 0), (1, 1)]) for name in ("_a", "", "__proto__", "c")]
    drawn = plots.lines([plots.Panel("ROC", "x", "y", curves)], said="Curves.")
    texts = ["".join(one.itertext()).strip("\u200b") for one in root(drawn).iter("text")]
    assert {"_a", '""', "__proto__", "c"} <= set(texts)
