"""`sluice versions` and `sluice rollback`, as a user types them."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from components.pusher.local_target import LocalTarget
from components.pusher.target import target_at
from pipeline import record
from pipeline.config_file import load
from tests.components.pusher.models import held, make_model, numbers, push
from tests.pipeline.test_cli import ROOT, sluice


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "sluice.yaml"
    path.write_text("name: fraud\ntask: binary\ndata: {source: x.csv, label: k}\npush: {keep: 3}\n")
    return str(path)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tmp_path / "serving_models" / "fraud"


def test_versions_come_from_the_manifests_where_no_run_is_on_record(capsys, config, base, tmp_path):
    forced = {"reason": "new sensors", "by": "ana"}
    first = push(base, make_model(tmp_path / "m", "a"), run_id="20261122T101112Z", forced=forced)
    second = push(base, make_model(tmp_path / "m", "b"), run_id="20261122T111112Z")
    newest, oldest = sluice(capsys, "versions", config)[1].splitlines()
    assert newest.startswith(f"{second.version}  served  run 20261122T111112Z, 20")
    assert newest.endswith(f"Z, {second.sha256[:12]}")
    assert oldest.startswith(f"{first.version}          run 20261122T101112Z, 20")
    assert oldest.endswith(f"{first.sha256[:12]}; forced by ana: new sensors")


def test_versions_as_json(capsys, config, base, tmp_path):
    pushed = push(base, make_model(tmp_path / "m"), run_id="20261122T101112Z")
    folder = record.create(tmp_path / "runs" / "fraud")
    run = {"run_id": folder.name, "finished": "2026-11-22T10:00:00Z", "pushed": {"version": "7"}}
    record.write(folder, record.RUN, run)
    make_model(base / "7")
    newest, oldest = json.loads(sluice(capsys, "versions", config, "--json")[1])
    assert newest == {
        "version": pushed.version, "served": True, "path": pushed.path, "sha256": pushed.sha256,
        "pushed_at": newest["pushed_at"], "run_id": "20261122T101112Z", "verdict": None, "forced": None,
        "rolled_back_from": None, "manifest": True, "damaged_record": False,
    }  # fmt: skip
    assert (oldest["version"], oldest["served"], oldest["manifest"]) == (7, False, False)
    assert (oldest["run_id"], oldest["sha256"]) == (folder.name, None)


def test_a_version_with_a_damaged_manifest_is_shown_as_such(capsys, config, base, tmp_path):
    first, second = (push(base, make_model(tmp_path / "m", content)).version for content in "ab")
    (base / ".sluice" / "versions" / f"{first}.json").write_bytes(b"[" * 200_000)
    code, out, _ = sluice(capsys, "versions", config)
    newest, oldest = out.splitlines()
    assert (code, newest.split()[:2]) == (0, [str(second), "served"])
    assert oldest == f"{first}          its manifest is damaged; by no run that is on record here"


def test_a_folder_given_as_file_url_is_pushed_to_like_a_folder(config, tmp_path):
    spellings = (f"{tmp_path}/models", f"file://{tmp_path}/models", f"file://{tmp_path}/models/")
    targets = [target_at(load(config, [f"push.to={to}"], local_files=False).push_base) for to in spellings]
    assert {type(target) for target in targets} == {LocalTarget}
    assert {target.base for target in targets} == {f"{tmp_path}/models/fraud"}


def test_rollback_says_what_it_did_and_why_so(capsys, config, base, tmp_path):
    first, second = (push(base, make_model(tmp_path / "m", content)).version for content in "ab")
    code, out, _ = sluice(capsys, "rollback", config, "--reason", "worse on\nMondays")
    newest = numbers(base)[-1]
    assert code == 0
    assert f"pushed version {first} again as version {newest}, its files verified" in out
    assert "TensorFlow Serving serves the highest number" in out
    assert held(base / str(newest)) == held(make_model(tmp_path / "expected", "a"))
    line = sluice(capsys, "versions", config)[1].splitlines()[0]
    assert f"rolled back from {second} to {first} by " in line
    assert line.endswith(": worse on Mondays")


def test_push_keep_holds_for_a_rollback_too(capsys, config, base, tmp_path):
    for content in "abc":
        push(base, make_model(tmp_path / "m", content))
    sluice(capsys, "rollback", config)
    assert len(numbers(base)) == 3


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [([], "there is nothing to go back to"), (["12"], "there is nothing to go back to")],
)
def test_a_rollback_to_nowhere_ends_with_2(capsys, config, arguments, expected):
    code, _, err = sluice(capsys, "rollback", config, *arguments)
    assert (code, expected in err) == (2, True)


def test_a_damaged_old_version_ends_with_1(capsys, config, base, tmp_path):
    first, second = (push(base, make_model(tmp_path / "m", content)).version for content in "ab")
    (base / str(first) / "assets" / "words").write_text("half\n")
    code, _, err = sluice(capsys, "rollback", config)
    assert code == 1
    assert "assets/words: expected 16,000 bytes" in err
    assert numbers(base) == [first, second]


def test_rollback_says_what_it_passed_over(capsys, config, base, tmp_path):
    first, second, _ = (push(base, make_model(tmp_path / "m", content)).version for content in "abc")
    (base / str(second) / "assets" / "words").unlink()
    code, out, _ = sluice(capsys, "rollback", config)
    assert code == 0
    assert out.startswith(f"passed over: version {second} is damaged; assets/words: expected 16,000 bytes")
    assert f"\npushed version {first} again as version " in out


def test_neither_command_loads_tensorflow(config, base, tmp_path):
    for content in "ab":
        push(base, make_model(tmp_path / "m", content))
    code = (
        "import sys; from pipeline.cli import main\n"
        "main(sys.argv[1:])\n"
        "heavy = {'tensorflow', 'tfx', 'apache_beam', 'keras', 'pandas', 'pyarrow'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    for arguments in (["versions", config], ["versions", config, "--json"], ["rollback", config]):
        began = time.monotonic()
        command = [sys.executable, "-c", code, *arguments]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert time.monotonic() - began < 10
