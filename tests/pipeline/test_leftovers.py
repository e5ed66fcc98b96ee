"""What killed runs leave behind, and the run that sweeps it up."""

import time
from pathlib import Path

import pytest
from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd

from benchmarks.push.killing import push_in_child
from pipeline import leftovers, lineage, record, summary
from pipeline.errors import INTERRUPTED, ConfigError

RUNNING, COMPLETE, CACHED, FAILED = (
    mlmd.Execution.State.Value(name) for name in ("RUNNING", "COMPLETE", "CACHED", "FAILED")
)


@pytest.fixture
def home(tmp_path):
    home = tmp_path / "demo"
    (home / record.ARTIFACTS).mkdir(parents=True)
    return home


@pytest.fixture
def metadata(home):
    config = mlmd.ConnectionConfig()
    config.sqlite.filename_uri = str(home / record.ARTIFACTS / record.METADATA)
    config.sqlite.connection_mode = mlmd.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
    return config


def execution(metadata: mlmd.ConnectionConfig, artifacts: Path, run: str, stage: str, state: int) -> int:
    """What TFX writes for a stage: contexts, an execution, a folder for its output and one for its notes."""
    store = MetadataStore(metadata)
    contexts = [
        mlmd.Context(type_id=store.put_context_type(mlmd.ContextType(name=kind)), name=name)
        for kind, name in (("pipeline_run", run), ("node", f"demo.{stage}"))
    ]
    kind = store.put_execution_type(mlmd.ExecutionType(name=stage))
    made = mlmd.Execution(type_id=kind, last_known_state=state)
    number = store.put_execution(made, [], contexts, reuse_context_if_already_exist=True)[0]
    for folder in (f"{stage}/output/{number}", f"{stage}/.system/executor_execution/{number}/.temp"):
        (artifacts / folder).mkdir(parents=True)
        (artifacts / folder / "half").write_text("")
    return number


def states(metadata: mlmd.ConnectionConfig) -> dict[int, int]:
    return {one.id: one.last_known_state for one in MetadataStore(metadata).get_executions()}


def a_run(home: Path, **said: object) -> tuple[Path, str]:
    """A run's folder, and its name in ML Metadata."""
    folder = record.create(home)
    run = record.read(folder, record.RUN)
    record.write(folder, record.RUN, {**run, **said})
    return folder, run["metadata_run"]


def swept(folder: Path, metadata: mlmd.ConnectionConfig) -> list[dict]:
    return leftovers.sweep(folder, str(folder.parent / record.ARTIFACTS), metadata)


def test_what_is_half_done_goes_and_what_is_done_stays(home, metadata):
    artifacts = home / record.ARTIFACTS
    stages = [{"name": "Ingest", "status": "done"}, {"name": "Transform", "status": "running"}]
    killed, name = a_run(home, stages=stages)
    other, other_name = a_run(home, process=None, status="pushed")
    done = execution(metadata, artifacts, name, "Ingest", COMPLETE)
    half = execution(metadata, artifacts, name, "Transform", RUNNING)
    cached = execution(metadata, artifacts, name, "SchemaGen", CACHED)
    foreign = execution(metadata, artifacts, other_name, "Transform", RUNNING)
    working = artifacts / "Transform" / ".system" / "stateful_working_dir" / "uuid"
    working.mkdir(parents=True)
    (home / ".latest-20260101T000000Z").symlink_to("nowhere")
    (killed / ".run.json.part").write_text("{")

    (found,) = swept(record.create(home), metadata)
    assert summary.taken_over(found) == (
        f"run {killed.name} was killed in Transform: what it had finished is taken over where nothing has "
        "changed since"
    )
    assert states(metadata) == {done: COMPLETE, half: FAILED, cached: CACHED, foreign: RUNNING}
    kept = {int(path.name) for path in artifacts.glob("*/output/*")}
    assert kept == {done, cached, foreign}
    assert {int(path.name) for path in artifacts.glob("*/.system/executor_execution/*")} == kept
    assert not working.exists()
    assert not list(home.glob(".latest-*"))
    assert [path.name for path in killed.iterdir()] == [record.RUN]
    run = record.read(killed, record.RUN)
    assert (run["status"], run["process"], run["stages"]) == ("killed", None, stages)
    assert record.read(other, record.RUN)["status"] == "pushed"
    assert swept(record.create(home), metadata)[0]["run_id"] != killed.name


@pytest.mark.parametrize(
    ("code", "how"),
    [(INTERRUPTED, "was interrupted"), (1, "failed")],
    ids=["interrupted", "lost ML Metadata"],
)
def test_what_a_run_left_in_the_middle_of_a_stage_goes_as_well(home, metadata, code, how):
    folder, name = a_run(home, status="failed", exit_code=code)
    half = execution(metadata, home / record.ARTIFACTS, name, "Trainer", RUNNING)
    (found,) = swept(record.create(home), metadata)
    assert summary.taken_over(found).startswith(f"run {folder.name} {how} before its first stage: ")
    assert states(metadata) == {half: FAILED}
    assert not list(home.glob("artifacts/*/output/*"))
    run = record.read(folder, record.RUN)
    assert (run["status"], run["exit_code"], run["process"]) == ("failed", code, None)


def test_a_sweep_that_was_killed_itself_is_done_again(home, metadata, monkeypatch):
    _, name = a_run(home)
    half = execution(metadata, home / record.ARTIFACTS, name, "Trainer", RUNNING)

    def die(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(lineage, "mark_failed", die)
        with pytest.raises(KeyboardInterrupt):
            swept(record.create(home), metadata)
    assert states(metadata) == {half: RUNNING}
    swept(record.create(home), metadata)
    assert states(metadata) == {half: FAILED}


def test_a_damaged_record_keeps_no_run_from_beginning(home, metadata):
    folder, _ = a_run(home)
    (folder / record.RUN).write_text("{")
    assert swept(record.create(home), metadata) == []
    assert (folder / record.RUN).read_text() == "{"


def test_a_run_killed_at_any_step_of_its_beginning_is_swept_up(home, metadata):
    """Each file operation of `record.create` is one before which a run is killed."""
    killed = 0
    for step in range(1, 30):
        said, _ = push_in_child(
            lambda home, _: str(record.create(home)), home, home, time.time(), before=step
        )
        if said is not None:
            break
        killed += 1
        mine = record.create(home)
        swept(mine, metadata)
        beside = {path.name for path in home.iterdir()} - {path.name for path in record.runs(home)}
        assert beside == {"artifacts", "latest"}
        for folder in set(record.runs(home)) - {mine}:
            assert [path.name for path in folder.iterdir()] == [record.RUN]
            assert record.read(folder, record.RUN)["status"] == record.KILLED
    assert killed >= 5


def test_artifacts_of_another_metadata_are_refused_before_they_are_written_over(home, metadata):
    artifacts = home / record.ARTIFACTS
    leftovers.refuse_strange_artifacts(str(artifacts), metadata)
    number = execution(metadata, artifacts, "run", "Ingest", COMPLETE)
    leftovers.refuse_strange_artifacts(str(artifacts), metadata)
    (artifacts / "Ingest" / "output" / str(number + 6)).mkdir()
    with pytest.raises(ConfigError) as caught:
        leftovers.refuse_strange_artifacts(str(artifacts), metadata)
    (problem,) = caught.value.problems
    assert f"{artifacts} holds the results of execution {number + 6}, and only {number} are known" in problem
