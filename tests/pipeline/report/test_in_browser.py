"""The report as people meet it, in Chromium: every task, each kind of refusal, names of all kinds."""

import pytest

from pipeline.report.written import write, write_comparison
from tests.pipeline.report.made import TASKS, make

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "x" * 10_000,
    "שלום עולם",
    "🙂 emoji",
    "$\\frac{1}{0}$",
    "a\x00b\x1b[31m",
    "</style><b>",
    "{{ 7*7 }}",
    "\u202egnp.exe",
    "#010101",
    "]]>--><!--",
]
_SECTIONS = {
    "pushed": [
        "outcome",
        "requirements",
        "findings",
        "data",
        "features",
        "training",
        "evaluation",
        "against",
        "serving",
        "reproduction",
    ],
    "checked": ["outcome", "findings", "data", "features", "reproduction"],
    "data_refused": ["outcome", "findings", "data", "features", "serving", "reproduction"],
    "failed": ["outcome", "serving", "reproduction"],
    "running": ["outcome", "reproduction"],
}
_SECTIONS |= dict.fromkeys(("model_refused", "not_servable"), _SECTIONS["pushed"])


def sections(page) -> list[str]:
    return page.eval_on_selector_all("main section", "all => all.map(one => one.id)")


def column(page, number: int) -> list[str]:
    """The cells of a column of the first table, of the rows that are shown."""
    return page.eval_on_selector_all(
        "#features tbody tr:not([hidden])", f"rows => rows.map(row => row.cells[{number}].textContent.trim())"
    )


@pytest.mark.parametrize(
    ("task", "status"),
    [
        *((task, "pushed") for task in TASKS),
        *(("multiclass", status) for status in _SECTIONS if status != "pushed"),
    ],
)
def test_each_kind_of_run_has_its_sections_and_keeps_nobody_out(tmp_path, opened, task, status):
    path = write(make(tmp_path / "run", task, status))
    for scheme in ("light", "dark"):
        found = opened(path, scheme=scheme)
        assert sections(found.page) == _SECTIONS[status]
        assert (
            found.page.eval_on_selector_all("nav a", "all => all.map(one => one.hash.slice(1))")
            == _SECTIONS[status]
        )
        assert found.violations() == []
        assert found.said == []
        assert found.asked == [path.as_uri()]


@pytest.mark.parametrize("status", ["pushed", "data_refused"])
def test_nothing_is_wider_than_a_phone(tmp_path, opened, status):
    page = opened(write(make(tmp_path / "run", "multiclass", status)), width=360).page
    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_hostile_names_are_text_and_nothing_else(tmp_path, opened):
    run = make(
        tmp_path / "run",
        "multiclass",
        "model_refused",
        features=HOSTILE,
        classes=HOSTILE[:6],
        label=HOSTILE[0],
        ids=HOSTILE,
    )
    found = opened(write(run))
    page = found.page
    assert found.said == []
    assert len(found.asked) == 1
    assert page.locator("script").count() == 1
    assert page.locator("main img, main b, main script").count() == 0
    for details in page.locator("details").all():
        details.evaluate("one => { one.open = true; }")
    text = page.inner_text("main")
    for name in HOSTILE[:2] + HOSTILE[3:6] + HOSTILE[7:9] + HOSTILE[10:]:
        assert name in text
    assert "49" not in text.split("{{ 7*7 }}")[0][-5:]
    assert r"a\x00b\x1b[31m" in text
    assert r"\u202egnp.exe" in text
    assert "x" * 100 + "… (10,000 characters)" in text
    assert "x" * 500 not in text
    for width in (1280, 360):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") == width
    assert found.violations() == []


def test_a_page_of_many_slices_and_features_is_small_and_shows_the_worst_first(tmp_path, opened):
    names = [f"feature_{number}" for number in range(300)]
    path = write(make(tmp_path / "run", "multiclass", "model_refused", slices=200, features=names))
    assert path.stat().st_size < 3_000_000
    found = opened(path)
    page = found.page
    shifts = [float(text) for text in column(page, 2)]
    assert len(shifts) == 20
    assert shifts == sorted(shifts, reverse=True)
    assert page.locator("#requirements tbody tr:not([hidden])").count() == 20
    assert page.inner_text("#requirements tbody tr:first-child").startswith("missed")
    page.locator("#features .all").click()
    assert len(column(page, 2)) == 300
    assert found.violations() == []


def test_a_table_sorts_by_the_column_whose_head_is_pressed_both_ways(tmp_path, opened):
    names = [f"feature_{number}" for number in range(30)]
    page = opened(write(make(tmp_path / "run", features=names))).page
    head = page.locator("#features thead button").nth(5)  # the mean of the training split
    head.press("Enter")
    known = [float(text) for text in column(page, 5) if text != "–"]
    assert known == sorted(known)
    assert len(known) == 20
    head.press("Enter")
    assert page.locator("#features th[aria-sort=descending]").count() == 1
    known = [float(text) for text in column(page, 5) if text != "–"]
    assert known == sorted(known, reverse=True)
    page.locator("#features .all").click()
    assert column(page, 5)[-1] == "–"  # what has no value comes last


def test_names_with_numbers_sort_by_the_numbers(tmp_path, opened):
    names = [f"feature_{number}" for number in range(30)]
    page = opened(write(make(tmp_path / "run", features=names))).page
    page.locator("#features thead button").first.click()
    page.locator("#features .all").click()
    assert column(page, 0) == names


def test_paper_has_everything(tmp_path, opened):
    page = opened(write(make(tmp_path / "run", features=[f"feature_{number}" for number in range(30)]))).page
    folded = page.locator("details:not([open])").count()
    assert folded
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert page.locator("details:not([open])").count() == 0
    assert len(column(page, 0)) == 30
    assert not page.locator("nav").is_visible()
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details:not([open])").count() == folded
    assert len(column(page, 0)) == 20


def test_no_column_is_beyond_the_edge_of_the_paper(tmp_path, opened):
    names = [f"a_feature_with_a_long_name_{number}" for number in range(25)]
    page = opened(
        write(make(tmp_path / "run", "multiclass", features=names, classes=names[:15])), width=1000
    ).page
    page.emulate_media(media="print")
    tables = page.eval_on_selector_all(".table", "all => all.map(one => [one.scrollWidth, one.clientWidth])")
    assert [one for one in tables if one[0] > one[1]] == []


def test_intervals_sort_by_their_values(tmp_path, opened):
    page = opened(write(make(tmp_path / "run", "regression", slices=10))).page
    page.locator("#requirements thead button", has_text="interval").click()
    values = page.eval_on_selector_all(
        "#requirements tbody tr", "rows => rows.map(row => Number(row.cells[5].querySelector('data').value))"
    )
    assert values == sorted(values)


def test_plots_say_in_words_what_they_show(tmp_path, opened):
    page = opened(write(make(tmp_path / "run", "multiclass"))).page
    said = page.eval_on_selector_all("svg.plot", "all => all.map(one => one.getAttribute('aria-label'))")
    assert len(said) == page.locator("figure").count() >= 4
    assert any("area under the ROC curve" in one for one in said)
    ids = page.eval_on_selector_all("[id]", "all => all.map(one => one.id)")
    assert len(ids) == len(set(ids))


def test_two_runs_are_shown_beside_each_other(tmp_path, opened):
    one = make(tmp_path / "20261128T000001Z", "binary", "model_refused")
    other = make(tmp_path / "20261128T000002Z", "binary", seed=1, features=["amount", "site", "new"])
    found = opened(write_comparison(one, other))
    assert sections(found.page) == ["outcome", "configuration", "data", "metrics", "decisions"]
    assert found.violations() == []
    assert found.said == []
    assert "new" in found.page.inner_text("#data")
