"""The command line where no pipeline runs: usage, errors, and what the JSON files say in words."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline import cli, record, summary, terminal
from pipeline.errors import SluiceError

ROOT = Path(__file__).resolve().parents[2]


def sluice(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        cli.main(arguments)
        sys.exit(0)
    out, err = capsys.readouterr()
    return int(left.value.code or 0), out, err


def a_refused_run(home: Path) -> Path:
    folder = record.create(home)
    record.write(
        folder,
        record.RUN,
        {
            "run_id": folder.name, "name": "fraud", "status": "model_refused", "exit_code": 4, "error": None,
            "stages": [{"name": "Ingest", "seconds": 1.5}], "pushed": None,
        },
    )  # fmt: skip
    missed = {
        "gate": "value", "metric": "recall", "passed": False, "reason": "recall is 0.1200 overall",
        "next_action": "find more fraud", "value": 0.12, "bound": 0.8, "slice": {},
    }  # fmt: skip
    small = {"gate": "slice_size", "passed": True, "reason": "recall was not judged on site=z (3 sequences)"}
    decisions = [missed, {"gate": "value", "passed": True}, small]
    verdict = {"blessed": False, "forced": None, "warnings": ["accuracy alone"], "decisions": decisions}
    record.write(folder, record.VERDICT, verdict)
    return folder


def test_why_gives_reason_and_next_action(capsys, tmp_path):
    a_refused_run(tmp_path / "fraud")
    code, out, _ = sluice(capsys, "why", "--root", str(tmp_path))
    assert code == 0
    assert "model refused: nothing was pushed" in out
    assert "  - recall is 0.1200 overall\n    next: find more fraud" in out
    assert "1 of 2 requirements are met" in out
    assert "  warning: recall was not judged on site=z (3 sequences)" in out
    assert "  warning: accuracy alone" in out


def test_why_for_programs_has_every_figure_of_every_reason(capsys, tmp_path):
    folder = a_refused_run(tmp_path / "fraud")
    code, out, _ = sluice(capsys, "why", str(folder), "--json")
    found = json.loads(out)
    assert (code, found["status"], found["exit_code"], found["met"], found["asked"]) == (
        0, "model_refused", 4, 1, 2,
    )  # fmt: skip
    (reason,) = found["reasons"]
    assert (reason["metric"], reason["value"], reason["bound"]) == ("recall", 0.12, 0.8)
    assert found["warnings"] == ["accuracy alone", "recall was not judged on site=z (3 sequences)"]


def test_of_many_slices_that_fail_alike_the_worst_are_told_and_the_others_named(capsys, tmp_path):
    folder = a_refused_run(tmp_path / "fraud")
    decisions = [
        {"gate": "value", "metric": "recall", "slice": {"site": f"s{at}"}, "passed": False,
         "reason": f"recall is 0.{at:02} on site=s{at}", "next_action": "more of it"}
        for at in range(45)
    ]  # fmt: skip
    record.write(folder, record.VERDICT, {"decisions": decisions})
    lines = sluice(capsys, "why", str(folder))[1].splitlines()
    assert len(lines) == 1 + 3 * 2 + 2
    assert lines[-2] == (
        "  - recall: 42 more, which miss by less: site=s3, site=s4, site=s5, site=s6, site=s7, site=s8, "
        "site=s9, site=s10, …"
    )


def test_a_wrong_configuration_that_the_data_told_reads_as_one(capsys, tmp_path):
    folder = record.create(tmp_path / "fraud")
    run = {"run_id": folder.name, "name": "fraud", "status": "failed", "exit_code": 2, "pushed": None}
    record.write(folder, record.RUN, {**run, "error": "no class stpo (did you mean stop?)", "stages": []})
    out = sluice(capsys, "why", str(folder))[1]
    assert "wrong configuration: nothing was pushed" in out
    assert "did you mean stop?" in out


def test_versions_are_listed_with_the_run_that_made_them_and_why_it_was_forced(capsys, tmp_path):
    config = tmp_path / "sluice.yaml"
    config.write_text("name: fraud\ntask: binary\ndata: {source: x.csv, label: k}\n")
    for arguments in ([], ["--set", f"run.root={tmp_path}/runs", "--set", f"push.to={tmp_path}/models"]):
        code, out, _ = sluice(capsys, "versions", str(config), *arguments)
        assert (code, out.startswith("no version in ")) == (0, True)
    for version, forced in (("1000", None), ("999", "the old labels were wrong"), ("tmp", None)):
        (tmp_path / "models" / "fraud" / version).mkdir(parents=True)
        folder = record.create(tmp_path / "runs" / "fraud")
        run = {"run_id": folder.name, "finished": "2026-11-22T10:00:00Z", "pushed": {"version": version}}
        record.write(folder, record.RUN, run)
        record.write(folder, record.VERDICT, {"forced": forced})
    (tmp_path / "models" / "fraud" / "5").mkdir()
    newest, older, oldest = sluice(capsys, "versions", str(config), *arguments)[1].splitlines()
    assert newest.split()[:3] == ["1000", "served", "run"]
    assert "served" not in older
    assert older.endswith("2026-11-22T10:00:00Z; forced: the old labels were wrong")
    assert oldest.endswith("by no run that is on record here")


def test_why_of_refused_data_gives_the_findings(capsys, tmp_path):
    folder = record.create(tmp_path / "fraud")
    run = {"run_id": folder.name, "name": "fraud", "status": "data_refused", "exit_code": 3, "pushed": None}
    record.write(folder, record.RUN, {**run, "error": "the data has 1 error", "stages": []})
    finding = {
        "check": "schema-anomaly", "severity": "error", "split": "eval", "feature": "kind",
        "message": "new value z", "fix": "review the schema", "count": 9, "examples": ["a", "b", "c", "d"],
    }  # fmt: skip
    record.write(folder, record.VALIDATION, {"findings": [finding, {"severity": "warning"}]})
    _, out, _ = sluice(capsys, "why", str(folder))
    assert (
        "schema-anomaly (eval, kind): new value z\n    such as a, b, c, …\n    next: review the schema" in out
    )
    assert "1 warning about the data" in out


def test_the_reason_of_a_later_stage_is_told_beside_warnings_about_the_data(tmp_path):
    folder = record.create(tmp_path / "fraud")
    run = {"run_id": folder.name, "name": "fraud", "status": "data_refused", "exit_code": 3, "pushed": None}
    record.write(folder, record.RUN, {**run, "error": "all labels are the same", "stages": []})
    validation = {"splits": {}, "split": {"unit": "windows", "left_out": {}}, "rows": {"skipped": 0}}
    validation["features"] = {"kinds": {"x": "float"}, "inferred": False}
    record.write(folder, record.VALIDATION, {**validation, "findings": findings(("warning", "gap", None, 3))})
    console = terminal.Console(file=io.StringIO(), width=100)
    cli._report(console, folder)
    said = console.file.getvalue()
    assert "all labels are the same" in said
    assert "mend gap" not in said


@pytest.mark.parametrize(("status", "raises"), [("running", True), ("failed", True), ("done", False)])
def test_an_interrupt_that_a_library_turned_into_its_own_error_is_still_one(
    capsys, tmp_path, monkeypatch, status, raises
):
    told = []

    def execute(config, folder, on_stage, *, until_audit, forced, forced_by):
        with contextlib.suppress(KeyboardInterrupt):  # as a library may do it
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)
        try:
            on_stage(SimpleNamespace(name="Transform", status=status, seconds=1.0, cached=False))
            told.append(False)
        except KeyboardInterrupt:
            told.append(True)
        raise SluiceError("enough")

    monkeypatch.setitem(sys.modules, "pipeline.execute", SimpleNamespace(execute=execute))
    (tmp_path / "rows.csv").write_text("x")
    config = tmp_path / "c.yaml"
    config.write_text("name: n\ntask: binary\ndata: {source: rows.csv, label: k}\nrun: {root: runs}\n")
    code, _, err = sluice(capsys, "check", str(config))
    assert (code, told) == (1, [raises])
    assert "enough" in err


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        ("", "bounds: the default policy of binary; gate.thresholds sets your own"),
        ("gate: {thresholds: [{metric: accuracy, min: 0.9}]}", "warning: gate.thresholds: accuracy alone"),
        ("gate: {thresholds: [{metric: recall, min: 0.9}]}", ""),
    ],
)
def test_what_a_model_is_held_to_by_default_and_by_accuracy_alone_is_said_first(
    capfd, tmp_path, monkeypatch, gate, said
):
    def execute(*_, **__):
        raise SluiceError("enough")

    monkeypatch.setitem(sys.modules, "pipeline.execute", SimpleNamespace(execute=execute))
    (tmp_path / "rows.csv").write_text("a,k\n1,x\n")
    config = tmp_path / "c.yaml"
    text = "name: n\ntask: binary\ndata: {source: rows.csv, label: k}\nrun: {root: runs}\n"
    config.write_text(text + gate + "\n")
    with pytest.raises(SystemExit):
        cli.main(["run", str(config)])
    lines = capfd.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith(("bounds:", "warning:"))] == [
        line for line in lines if said and line.startswith(said)
    ]
    assert any(line.startswith(said) for line in lines)


def findings(*shape):
    return [
        {
            "check": check, "severity": severity, "split": "train", "feature": feature, "count": count,
            "message": f"{check} it is", "fix": f"mend {check}", "examples": [],
        }
        for severity, check, feature, count in shape
    ]  # fmt: skip


def test_findings_are_a_short_table_with_what_to_do_about_each_check():
    many = [("warning", "split-drift", f"f{i}", 100 + i) for i in range(30)]
    validation = {"findings": findings(("error", "label-as-feature", "x", 7), *many)}
    out = io.StringIO()
    terminal.console(out).print(summary.findings_table(validation))
    lines = out.getvalue().splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["severity", "error", "warning"]
    assert lines[1].split() == [
        "error",
        "label-as-feature",
        "train,",
        "x",
        "7",
        "label-as-feature",
        "it",
        "is",
    ]
    assert "129" in lines[2]  # the one with most sequences stands for all
    assert "and 29 more; all: f0, f1" in lines[3]
    assert len(lines) == 4
    assert list(summary.remedies(validation)) == [
        "error label-as-feature: mend label-as-feature", "warning split-drift: mend split-drift",
    ]  # fmt: skip


def test_runs_lists_the_newest_first_and_the_killed(capsys, tmp_path):
    done, killed = a_refused_run(tmp_path / "fraud"), record.create(tmp_path / "fraud")
    _, out, _ = sluice(capsys, "runs", "--root", str(tmp_path))
    newest, oldest = out.splitlines()
    assert newest.startswith(killed.name)
    assert newest.split()[:3] == [killed.name, "fraud", "killed"]
    assert oldest.split()[:3] == [done.name, "fraud", "model_refused"]


def test_without_runs_it_says_so(capsys, tmp_path):
    assert "no runs in" in sluice(capsys, "runs", "--root", str(tmp_path / "none"))[1]
    code, _, err = sluice(capsys, "why", "--root", str(tmp_path / "none"))
    assert code == 2
    assert "no run found" in err


def test_a_wrong_configuration_ends_with_2_and_every_mistake(capsys, tmp_path):
    path = tmp_path / "sluice.yaml"
    path.write_text("name: A\ntask: multiclass\ndata: {source: no.csv, sequence_id: i, label: i, lable: x}\n")
    code, out, err = sluice(capsys, "run", str(path))
    assert (code, out) == (2, "")
    assert "4 mistakes" in err
    for mistake in (
        "name: expected",
        "data.lable: unknown key",
        "data.label: i is already",
        "no file matches",
    ):
        assert mistake in err
    assert "Traceback" not in err
    assert [path.name for path in tmp_path.iterdir()] == ["sluice.yaml"]


def test_debug_shows_the_traceback(capsys, tmp_path):
    code, _, err = sluice(capsys, "--debug", "run", str(tmp_path / "absent.yaml"))
    assert code == 2
    assert "Traceback" in err


def test_a_slice_that_the_data_has_no_column_for_is_told_before_anything_runs(capsys, tmp_path):
    (tmp_path / "rows.csv").write_text("i,k,a\n1,x,b\n")
    path = tmp_path / "sluice.yaml"
    text = "name: a\ntask: multiclass\ndata: {source: rows.csv, sequence_id: i, label: k}\n"
    path.write_text(text + "gate: {slices: [aa]}\n")
    code, out, err = sluice(capsys, "run", str(path))
    assert (code, out) == (2, "")
    assert "gate.slices: no feature is called aa (did you mean a?)" in err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "arguments", [["--force-bless"], ["--reason", "x"], ["--force-bless", "--reason", " "]]
)
def test_forcing_needs_a_reason_and_a_reason_something_to_force(capsys, arguments):
    code, _, err = sluice(capsys, "run", "x.yaml", *arguments)
    assert code == 2
    assert "--force-bless and --reason TEXT belong together" in err


@pytest.mark.parametrize("arguments", [["run"], ["nonsense"], ["run", "--nonsense", "x.yaml"]])
def test_wrong_usage_ends_with_2(capsys, arguments):
    assert sluice(capsys, *arguments)[0] == 2


def test_help_why_and_runs_load_neither_tensorflow_nor_tfx(tmp_path):
    a_refused_run(tmp_path / "fraud")
    code = (
        "import sys; from pipeline.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "heavy = {'tensorflow', 'tfx', 'apache_beam', 'keras', 'pandas', 'pyarrow'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    for arguments in (["--help"], ["why", "--root", str(tmp_path)], ["runs", "--root", str(tmp_path)]):
        command = [sys.executable, "-c", code, *arguments]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_the_module_is_the_command():
    command = [sys.executable, "-m", "pipeline", "--version"]
    assert "sluice" in subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_a_half_written_record_is_a_clear_error(capsys, tmp_path):
    folder = a_refused_run(tmp_path / "fraud")
    (folder / record.RUN).write_text('{"run_id": ')
    code, _, err = sluice(capsys, "why", str(folder))
    assert code == 2
    assert "not valid JSON" in err
