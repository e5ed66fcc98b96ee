"""The demo with data, artifacts and models in `ram://`, beside the same with all of it in a folder.

`ram://` is in the memory of one process, so both run here and not by the command line.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from components import artifact_json
from components.auditor.component import FINDINGS
from pipeline import demo_data, lineage, record, run_lock, served
from pipeline.config import Config
from pipeline.config_file import load
from pipeline.execute import Result, execute
from pipeline.metadata_connection import connection
from serving.drift import report
from tests.end_to_end.conftest import ROOT
from tests.end_to_end.test_runners import measured
from tests.ram_file_system import as_an_object_store

# Whole runs, in this process: what libraries warn of stands in their log elsewhere.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]

gfile = tf.io.gfile
BUCKET = "ram://bucket"


@dataclass(frozen=True)
class Run:
    """A run, and where its artifacts are."""

    config: Config
    folder: Path
    result: Result
    artifacts: dict[str, dict[str, lineage.Artifact]]

    def uri(self, stage: str, key: str) -> str:
        return self.artifacts[stage][key].uri

    def json(self, name: str) -> Any:
        return json.loads((self.folder / name).read_text())


def run(home: Path, *overrides: str, until_audit: bool = False) -> Run:
    config = load(ROOT / "pipeline" / "configs" / "demo.yaml", [*overrides, f"run.root={home}/runs"])
    with run_lock.new_run(Path(config.run.root, config.name)) as folder:
        result = execute(config, folder, lambda _: None, until_audit=until_audit)
    return Run(config, folder, result, lineage.outputs(connection(config), result.metadata_run))


def contents(folder: str) -> dict[str, bytes]:
    """The files of a folder and what is in them."""
    found = {}
    for path, _, names in gfile.walk(folder):
        for name in names:
            with gfile.GFile(f"{path}/{name}", "rb") as file:
                found[f"{path}/{name}".removeprefix(folder)] = file.read()
    return found


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    home = tmp_path_factory.mktemp("remote")
    demo_data.make(home / "demo.csv")
    gfile.makedirs(f"{BUCKET}/data")
    gfile.copy(str(home / "demo.csv"), f"{BUCKET}/data/demo.csv")
    (home / "demo.csv").unlink()
    gfile.copy(str(ROOT / "schema" / "demo.pbtxt"), f"{BUCKET}/data/schema.pbtxt")
    with pytest.MonkeyPatch.context() as monkeypatch:
        as_an_object_store(monkeypatch)
        yield run(home, *_REMOTE)


_REMOTE = (
    f"data.source={BUCKET}/data/*.csv",
    f"schema={BUCKET}/data/schema.pbtxt",
    f"run.artifacts={BUCKET}/artifacts",
    f"push.to={BUCKET}/models",
)


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Run:
    home = tmp_path_factory.mktemp("local")
    demo_data.make(home / "demo.csv")
    schema = ROOT / "schema" / "demo.pbtxt"
    return run(home, f"data.source={home}/*.csv", f"schema={schema}", f"push.to={home}/models")


def test_the_model_is_pushed_to_the_bucket(remote):
    assert (remote.result.status, remote.result.error) == ("pushed", None)
    version = remote.result.pushed["version"]
    assert remote.result.pushed["path"] == f"{BUCKET}/models/demo/{version}"
    assert gfile.exists(f"{BUCKET}/models/demo/{version}/saved_model.pb")
    (row,) = served.rows(remote.config)
    assert (str(row["version"]), row["run_id"]) == (version, remote.folder.name)


def test_every_artifact_is_in_the_bucket_and_the_records_are_here(remote):
    uris = [artifact.uri for keys in remote.artifacts.values() for artifact in keys.values()]
    assert uris
    assert all(uri.startswith(f"{BUCKET}/artifacts/demo/") for uri in uris)
    beside = remote.folder.parent / record.ARTIFACTS
    assert (beside / record.METADATA).is_file()
    assert not [path for path in beside.iterdir() if path.is_dir()]
    assert remote.json(record.RUN)["config"]["run"]["artifacts"] == f"{BUCKET}/artifacts"


def test_the_examples_are_the_same_bytes(remote, local):
    found = contents(remote.uri("Ingest", "examples"))
    assert [name for name in found if name.endswith(".gz")]
    assert found == contents(local.uri("Ingest", "examples"))


def test_findings_and_verdict_are_the_same(remote, local):
    findings = [artifact_json.read(one.uri("Auditor", "findings"), FINDINGS) for one in (remote, local)]
    assert findings[0]["checks_run"]
    assert findings[0] == findings[1]
    assert remote.json(record.VALIDATION) == local.json(record.VALIDATION)
    assert remote.json(record.VERDICT) == local.json(record.VERDICT)
    metrics, others = (measured(one.json(record.EVALUATION)) for one in (local, remote))
    assert others == pytest.approx(metrics, abs=1e-6)
    assert without_seconds(remote.result.history) == without_seconds(local.result.history)


def without_seconds(history: dict) -> dict:
    epochs = [{name: one for name, one in epoch.items() if name != "seconds"} for epoch in history["epochs"]]
    return {**history, "epochs": epochs}


def test_what_is_pushed_is_what_the_trainer_wrote(remote):
    trained = contents(f"{remote.uri('Trainer', 'model')}/Format-Serving")
    assert trained["/saved_model.pb"]
    assert contents(remote.result.pushed["path"]) == trained


def test_the_training_leaves_no_state_of_its_epochs(remote):
    assert not gfile.exists(f"{BUCKET}/artifacts/demo/Trainer/unfinished")


def test_drift_finds_the_training_statistics_in_the_bucket(remote, tmp_path):
    for name, content in contents(f"{remote.uri('Ingest', 'examples')}/Split-train").items():
        Path(tmp_path, name.strip("/")).with_suffix(".tfrecord.gz").write_bytes(content)
    found = report.compare(remote.config, str(tmp_path))
    assert (found.run.run_id, found.log.sequences, found.drifted) == (remote.folder.name, 800, False)


def test_a_repeated_run_takes_everything_from_the_bucket(remote):
    again = run(home_of(remote), *_REMOTE)
    assert again.result.error is None
    assert {stage.name for stage in again.result.stages if not stage.cached} == {"LastBlessed", "Pusher"}
    assert again.result.pushed["already_served"]


def test_artifacts_that_go_elsewhere_are_made_again(remote):
    elsewhere = f"run.artifacts={BUCKET}/elsewhere"
    found = run(home_of(remote), *_REMOTE, elsewhere, until_audit=True)
    assert found.result.error is None
    assert not any(stage.cached for stage in found.result.stages)
    assert found.uri("Auditor", "findings").startswith(f"{BUCKET}/elsewhere/demo/")


def test_data_that_is_refused_leaves_its_findings_in_the_bucket(remote):
    with gfile.GFile(f"{BUCKET}/data/demo.csv") as file:
        lines = file.read().splitlines(keepends=True)
    strange = [line.replace(line.rsplit(",")[-1], "sideways\n") if line > "s0990" else line for line in lines]
    gfile.makedirs(f"{BUCKET}/refused")
    with gfile.GFile(f"{BUCKET}/refused/demo.csv", "w") as file:
        file.write("".join([lines[0], *strange[1:]]))
    found = run(home_of(remote), *_REMOTE, f"data.source={BUCKET}/refused/demo.csv", until_audit=True)
    assert (found.result.status, found.result.exit_code) == ("data_refused", 3)
    findings = artifact_json.read(found.uri("Auditor", "findings"), FINDINGS)["findings"]
    assert "label-domain" in {one["check"] for one in findings if one["severity"] == "error"}
    assert found.json(record.VALIDATION)["findings"] == findings


def home_of(remote: Run) -> Path:
    return remote.folder.parents[2]
