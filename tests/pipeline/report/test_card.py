"""The model card: figures from the files, and what people wrote kept across runs."""

import json

import pytest

from pipeline.report.card import BLANKS
from pipeline.report.written import write
from tests.pipeline.report.made import TASKS, make


def card(run):
    write(run)
    return (run / "model_card.md").read_text()


def fill(run, name, text):
    path = run / "model_card.md"
    before = path.read_text()
    begin = before.index(f"<!-- people: {name} -->") + len(f"<!-- people: {name} -->\n")
    path.write_text(before[:begin] + text + before[before.index("\n<!-- /people -->", begin) :])


@pytest.mark.parametrize("task", TASKS)
def test_the_card_has_the_metrics_of_the_model_and_blanks_for_people(tmp_path, task):
    run = make(tmp_path / "20261128T000001Z", task)
    text = card(run)
    for name, asked in BLANKS.items():
        assert f"<!-- people: {name} -->\n*To be written: {asked}.*\n<!-- /people -->" in text
    overall = json.loads((run / "evaluation.json").read_text())["slices"][0]
    metric = {"regression": "rmse", "generation": "perplexity"}.get(task, "accuracy")
    assert f"| overall | {overall['examples']} |" in text
    assert f" {overall['metrics'][metric]['value']:.4f} |" in text


def test_what_people_wrote_is_kept_by_later_runs_and_when_the_card_is_made_anew(tmp_path):
    first = make(tmp_path / "20261128T000001Z")
    card(first)
    fill(first, "intended_use", "Holds back payments.\n\n- only for *euros*")
    second = make(tmp_path / "20261128T000002Z", seed=1)
    assert "Holds back payments.\n\n- only for *euros*" in card(second)
    fill(second, "owners", "The payments team.")
    assert "The payments team." in card(second)
    third = make(tmp_path / "20261128T000003Z", "binary", "data_refused")
    text = card(third)
    assert "The payments team." in text
    assert "Holds back payments." in text
    assert "The payments team." not in card(first)


def test_blanks_of_their_own_are_kept_too(tmp_path):
    first = make(tmp_path / "20261128T000001Z")
    card(first)
    with (first / "model_card.md").open("a") as file:
        file.write("\n<!-- people: licence -->\nApache-2.0\n<!-- /people -->\n")
    assert "<!-- people: licence -->\nApache-2.0\n" in card(make(tmp_path / "20261128T000002Z"))


def test_names_that_mean_something_in_markdown_are_text(tmp_path):
    run = make(tmp_path / "20261128T000001Z", "binary", classes=["a|b", "<b>*x*</b>"])
    text = card(run)
    assert r"a\|b" in text
    assert r"\<b\>\*x\*\</b\>" in text


@pytest.mark.parametrize("status", ["data_refused", "model_refused", "not_servable", "failed", "running"])
def test_a_refused_run_has_a_card_that_says_so(tmp_path, status):
    run = make(tmp_path / "20261128T000001Z", "multiclass", status)
    said = {"data_refused": "data refused", "model_refused": "model refused", "failed": "failed"}
    assert said.get(status, "") in card(run)


@pytest.mark.parametrize(
    "blank",
    [
        "<!-- people: owners --> \nBob\n<!-- /people -->",
        "<!-- people: owners -->Bob<!-- /people -->",
        "<!--people: owners-->\nBob\n<!--/people-->",
        "<!-- people: owners -->\r\nBob\r\n<!-- /people -->",
    ],
)
def test_marks_may_be_written_a_little_differently(tmp_path, blank):
    run = make(tmp_path / "20261128T000001Z")
    before = card(run)
    asked = "<!-- people: owners -->\n*To be written: " + BLANKS["owners"] + ".*\n<!-- /people -->"
    assert asked in before
    (run / "model_card.md").write_bytes(before.replace(asked, blank).encode())
    assert "<!-- people: owners -->\nBob\n<!-- /people -->" in card(run)


def test_a_blank_that_is_filled_late_comes_into_later_runs_all_the_same(tmp_path):
    first = make(tmp_path / "20261128T000001Z")
    card(first)
    card(make(tmp_path / "20261128T000002Z", "binary", "data_refused"))
    fill(first, "owners", "The payments team.")
    assert "The payments team." in card(make(tmp_path / "20261128T000003Z"))


def test_blanks_with_names_of_any_kind_and_of_one_name_are_kept(tmp_path):
    run = make(tmp_path / "20261128T000001Z")
    card(run)
    with (run / "model_card.md").open("a") as file:
        for text in ("one", "two"):
            file.write(f"\n<!-- people: data-licence, EU -->\n{text}\n<!-- /people -->\n")
    assert "<!-- people: data-licence, EU -->\none\n\ntwo\n<!-- /people -->" in card(run)


@pytest.mark.parametrize(
    "words",
    [b"Written outside of the marks.", "Überall".encode("latin-1"), "Überall".encode("utf-16")],
)
def test_a_card_that_says_what_the_new_one_would_not_is_kept_beside_it(tmp_path, words):
    run = make(tmp_path / "20261128T000001Z")
    before = card(run).encode() + words
    (run / "model_card.md").write_bytes(before)
    card(run)
    assert (run / "model_card.1.md").read_bytes() == before
    card(run)
    assert not (run / "model_card.2.md").exists()


def test_an_unchanged_card_is_replaced_without_a_copy(tmp_path):
    run = make(tmp_path / "20261128T000001Z")
    card(run)
    fill(run, "owners", "The payments team.")
    card(run)
    assert sorted(path.name for path in run.glob("model_card*")) == ["model_card.md"]
