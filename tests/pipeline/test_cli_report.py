"""`sluice report`: which run, where the page goes, and what is wrong where there can be none."""

import io
import os
import webbrowser

import pytest
from click.testing import CliRunner
from rich.console import Console

from pipeline.cli import _report, cli
from pipeline.errors import ConfigError
from pipeline.report import written
from tests.pipeline.report.made import make


def report(*arguments):
    return CliRunner().invoke(cli, ["report", *map(str, arguments)])


def test_the_page_of_the_newest_run_is_written_and_its_place_is_said(tmp_path):
    make(tmp_path / "made" / "20261128T000001Z")
    run = make(tmp_path / "made" / "20261128T000002Z")
    done = report("--root", tmp_path)
    assert done.exit_code == 0
    assert done.output == f"{run / 'report.html'}\n"
    assert (run / "report.html").read_text().startswith("<!doctype html>")
    assert (run / "model_card.md").is_file()
    assert sorted(path.name for path in run.iterdir() if path.name.startswith(".")) == []


def test_two_runs_are_compared_on_one_page(tmp_path):
    runs = [make(tmp_path / "made" / f"2026112{day}T000001Z") for day in (1, 2)]
    done = report("--root", tmp_path, "--compare", runs[0].name, runs[1].name)
    assert done.output == f"{runs[1] / f'compared-with-{runs[0].name}.html'}\n"
    assert not (runs[1] / "report.html").exists()


def test_the_page_is_opened_where_that_was_asked(tmp_path, monkeypatch):
    run = make(tmp_path / "made" / "20261128T000001Z")
    opened = []
    monkeypatch.setattr(webbrowser, "open", lambda place: opened.append(place) or True)
    assert report(run, "--open").exit_code == 0
    assert opened == [(run / "report.html").as_uri()]


def test_without_a_browser_the_page_is_written_all_the_same(tmp_path, monkeypatch):
    run = make(tmp_path / "made" / "20261128T000001Z")
    monkeypatch.setattr(webbrowser, "open", lambda place: False)
    done = report(run, "--open")
    assert done.exit_code == 0
    assert "no browser could be opened here" in done.output


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (KeyboardInterrupt(), "there is no report (interrupted)"),
        (OSError("disk full"), "there is no report (disk full)"),
    ],
)
def test_what_became_of_a_run_stands_whatever_becomes_of_its_report(tmp_path, monkeypatch, error, said):
    def fail(folder):
        raise error

    monkeypatch.setattr(written, "write", fail)
    run = make(tmp_path / "made" / "20261128T000001Z")
    console = Console(file=io.StringIO(), width=500)
    _report(console, run)
    assert said in console.file.getvalue()
    assert f"sluice report {run} tries again" in console.file.getvalue()


def test_both_runs_belong_behind_compare(tmp_path):
    done = report("one", "--compare", "two", "three")
    assert done.exit_code == 2
    assert "--compare takes both runs itself" in done.output


def test_a_run_that_is_not_there_is_one_clear_error(tmp_path):
    with pytest.raises(ConfigError, match="no run 'nothing' found"):
        CliRunner().invoke(cli, ["report", "nothing", "--root", str(tmp_path)], catch_exceptions=False)


@pytest.mark.parametrize("name", ["run.json", "evaluation.json"])
def test_a_file_that_is_no_object_is_named(tmp_path, name):
    run = make(tmp_path / "made" / "20261128T000001Z")
    (run / name).write_text("[1]")
    with pytest.raises(ConfigError, match=rf"{name}: expected a JSON object, got list"):
        CliRunner().invoke(cli, ["report", str(run)], catch_exceptions=False)


def test_a_broken_file_is_named(tmp_path):
    run = make(tmp_path / "made" / "20261128T000001Z")
    (run / "evaluation.json").write_text('{"slices": [')
    with pytest.raises(ConfigError, match=r"evaluation\.json: not valid JSON"):
        CliRunner().invoke(cli, ["report", str(run)], catch_exceptions=False)
    assert not (run / "report.html").exists()


@pytest.mark.parametrize("content", ['{"slices": 3}', '{"slices": [{"slice": {}, "metrics": "none"}]}'])
def test_a_file_that_holds_something_else_is_one_clear_error(tmp_path, content):
    run = make(tmp_path / "made" / "20261128T000001Z")
    (run / "evaluation.json").write_text(content)
    with pytest.raises(ConfigError, match=r"a file is not what Sluice .* writes"):
        CliRunner().invoke(cli, ["report", str(run)], catch_exceptions=False)
    assert not (run / "report.html").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path):
    run = make(tmp_path / "made" / "20261128T000001Z")
    run.chmod(0o500)
    with pytest.raises(ConfigError, match="cannot be written"):
        CliRunner().invoke(cli, ["report", str(run)], catch_exceptions=False)
