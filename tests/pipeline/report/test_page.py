"""What the page says is what the run's files say."""

import json

import pytest

from pipeline.errors import DataRefused
from pipeline.report.page import page
from pipeline.report.source import RunFiles
from pipeline.report.written import write, write_comparison
from tests.pipeline.report.cited import Numbers, assert_shown, in_file
from tests.pipeline.report.made import TASKS, make


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("status", ["pushed", "model_refused", "not_servable", "data_refused"])
def test_every_number_is_the_one_in_its_file(tmp_path, task, status):
    run = make(tmp_path / "run", task, status, features=["a/b", "c~d", "e"])
    found = Numbers(page(RunFiles.read(run))).found
    cited = [one for one in found if one[1]]
    assert len(cited) > (20 if status == "data_refused" else 80)
    for value, place, text in cited:
        assert float(value) == in_file(run, place), place
        assert_shown(float(value), text)
    for value, place, text in found:
        if not place:
            assert_shown(float(value), text)


def test_the_numbers_of_two_runs_are_those_of_each_and_their_difference(tmp_path):
    runs = [make(tmp_path / f"run-{number}", "binary", seed=number) for number in (1, 2)]
    found = Numbers(write_comparison(*runs).read_text()).found
    cited = [one for one in found if one[1]]
    assert {place.split("/")[1] for _, place, _ in cited} == {"run-1", "run-2"}
    for value, place, _ in cited:
        assert float(value) == in_file(tmp_path.parent, place)
    metrics = [json.loads((run / "evaluation.json").read_text())["slices"][0]["metrics"] for run in runs]
    for name, one in metrics[0].items():
        place = found.index((str(one["value"]), *found[next(
            number for number, (_, at, _) in enumerate(found)
            if at == f"{tmp_path.name}/run-1/evaluation.json#/slices/0/metrics/{name}/value"
        )][1:]))  # fmt: skip
        assert float(found[place + 2][0]) == metrics[1][name]["value"] - one["value"]


def test_every_requirement_finding_epoch_and_slice_is_on_the_page(tmp_path):
    run = make(tmp_path / "run", "multiclass", "model_refused", slices=40, ids=["s/17", "s&18"])
    text = page(RunFiles.read(run))
    for decision in json.loads((run / "verdict.json").read_text())["decisions"]:
        assert decision["reason"] in text
    for finding in json.loads((run / "validation.json").read_text())["findings"]:
        assert finding["message"] in text
        assert finding["fix"] in text
    assert "s/17" in text
    assert "s&amp;18" in text
    places = {place for _, place, _ in Numbers(text).found}
    for number in range(44):
        assert f"evaluation.json#/slices/{number}/examples" in places
    for epoch in range(4):
        assert f"run.json#/training/epochs/{epoch}/val_loss" in places


@pytest.mark.parametrize(
    ("status", "headline", "reason"),
    [
        ("pushed", "pushed: the model meets every requirement", None),
        ("data_refused", "data refused", "sequence-in-both-splits was found 3 times"),
        ("model_refused", "model refused: nothing was pushed", "train a better model"),
        ("not_servable", "model not servable: nothing was pushed", "answers are not finite"),
        ("failed", "failed: nothing was pushed", "MemoryError: it was too much"),
    ],
)
def test_the_top_says_what_became_of_the_run_and_why(tmp_path, status, headline, reason):
    text = page(RunFiles.read(make(tmp_path / "run", "multiclass", status)))
    top = text[text.index("<h1>") : text.index('id="reproduction"')]
    assert f"<h1>{headline}</h1>" in top
    if reason:
        outcome = text[text.index('<section id="outcome"') :]
        assert reason in outcome[: outcome.index("</section>")]


def test_the_requirement_that_misses_by_most_comes_first_then_the_one_met_most_narrowly(tmp_path):
    run = make(tmp_path / "run", "regression", "model_refused", slices=5)
    decisions = json.loads((run / "verdict.json").read_text())["decisions"]

    def rank(one):
        if one["passed"]:
            return 1, (one["lower"] - one["bound"]) / one["bound"]
        return 0, -one["distance"] / one["bound"]

    text = page(RunFiles.read(run))
    places = [
        text.index(one["reason"], text.index('id="requirements"')) for one in sorted(decisions, key=rank)
    ]
    assert places == sorted(places)


def test_the_page_is_the_same_each_time_and_needs_nothing_but_the_files(tmp_path):
    run = make(tmp_path / "run")
    files = RunFiles.read(run)
    before = page(files)
    for path in run.iterdir():
        path.unlink()
    assert page(files) == before


def test_files_of_an_older_run_that_lack_what_came_later_are_shown_too(tmp_path):
    run = make(tmp_path / "run")
    (run / "statistics.json").unlink()
    found = json.loads((run / "evaluation.json").read_text())
    (run / "evaluation.json").write_text(json.dumps({**found, "curves": {}}))
    content = json.loads((run / "run.json").read_text())
    for name in ("artifacts", "source_fingerprint", "metadata_run"):
        del content[name]
    for epoch in content["training"]["epochs"]:
        del epoch["seconds"]
    del content["training"]["sequences"], content["training"]["steps"]
    (run / "run.json").write_text(json.dumps(content))
    text = page(RunFiles.read(run))
    assert "How long the epochs took is not on record." in text
    assert 'id="features"' not in text


def test_a_page_of_a_folder_that_holds_only_a_log_can_be_made(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.log").write_text("nothing")
    assert "<h1>" in write(tmp_path / "run").read_text()


def test_no_address_is_in_the_page_but_links_within_it(tmp_path):
    text = page(RunFiles.read(make(tmp_path / "run", "multiclass")))
    for word in ("http:", "https:", "src=", "@import", "url(//"):
        assert word not in text.replace("http-equiv", "")


def test_of_many_classes_the_pairs_that_are_confused_most_are_named(tmp_path):
    classes = [f"class {number}" for number in range(40)]
    run = make(tmp_path / "run", "multiclass", classes=classes)
    content = json.loads((run / "evaluation.json").read_text())
    content["slices"][0]["confusion_matrix"]["rows"]["class 7"][31] = 12_345
    (run / "evaluation.json").write_text(json.dumps(content))
    text = page(RunFiles.read(run))
    assert len(text) < 1_000_000
    places = [place for _, place, _ in Numbers(text).found if "confusion_matrix" in (place or "")]
    assert places[0] == "evaluation.json#/slices/0/confusion_matrix/rows/class 7/31"
    assert len(places) == 50
    pairs = {(place.split("/")[-2], f"class {place.split('/')[-1]}") for place in places}
    assert not [pair for pair in pairs if pair[0] == pair[1]]


def changed(run, name, change):
    content = json.loads((run / name).read_text())
    change(content)
    (run / name).write_text(json.dumps(content))
    return page(RunFiles.read(run))


def test_each_problem_of_data_that_cannot_be_read_is_a_line_and_so_is_the_remedy(tmp_path):
    run = make(tmp_path / "run", "binary", "failed")
    places = [f"part_{number}.csv, line {number}: the value of amount is no number" for number in range(20)]
    error = DataRefused(
        "places that cannot be used: 20", [*places, "data.on_bad_rows: skip leaves such rows out"]
    )
    text = changed(run, "run.json", lambda content: content.update(status="data_refused", error=str(error)))
    for line in error.problems:
        assert f"<li><bdi>{line}</bdi></li>" in text


def test_slices_whose_values_begin_alike_are_told_apart(tmp_path):
    run = make(tmp_path / "run", "binary", "model_refused")
    sites = [f"https://example.org/a/long/path/to/some/site/number/000000000{letter}" for letter in "AB"]

    def change(content):
        for one in content.get("slices", content.get("decisions")):
            if one["slice"].get("site") in ("site 0", "site 1"):
                one["slice"]["site"] = sites[one["slice"]["site"] == "site 1"]

    changed(run, "evaluation.json", change)
    text = changed(run, "verdict.json", change)
    begin = text.index('id="evaluation"')
    rows = {site: text[text.index(site, begin) :] for site in sites}
    missed = {site: "missed" in row[: row.index("</tr>")] for site, row in rows.items()}
    assert missed == {sites[0]: False, sites[1]: True}  # see made.py: the third decision


def test_a_number_that_is_not_finite_is_shown_as_none(tmp_path):
    run = make(tmp_path / "run")
    text = changed(
        run, "run.json", lambda one: one["training"]["epochs"][0].update(val_accuracy=float("nan"))
    )
    assert "nan" not in text


def test_names_of_any_length_leave_the_page_small(tmp_path):
    names = [f"{number}" + "x" * 10_000 for number in range(60)]
    assert len(page(RunFiles.read(make(tmp_path / "one", "binary", features=names)))) < 1_000_000
    assert len(page(RunFiles.read(make(tmp_path / "two", "multiclass", classes=names[:10])))) < 1_000_000


def test_a_text_without_a_character_is_shown_as_such(tmp_path):
    text = page(RunFiles.read(make(tmp_path / "run", "multiclass", classes=["", "b"], features=["", "e"])))
    assert text.count('<th scope="row"><bdi>&#34;&#34;</bdi></th>') == 4  # label, feature, matrix, class
    assert "label=&#34;&#34;" in text
