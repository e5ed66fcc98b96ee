"""What run.json says of a run."""

import json

from pipeline.execute import Result
from pipeline.lineage import Artifact


def result(**changes: object) -> Result:
    given = {
        "run_id": "20260102T030405Z", "name": "demo", "started": "2026-01-02T03:04:05Z", "process": None,
        "metadata_run": "20260102T030405Z.0123456789ab", "config": {},
    }  # fmt: skip
    return Result(**{**given, **changes})


def test_the_record_names_the_artifacts_of_each_stage():
    artifacts = {"Ingest": {"examples": Artifact("/artifacts/1", 3, "Examples", {"span": "7"})}}
    told = json.loads(json.dumps(result(artifacts=artifacts, source_fingerprint="ab12").as_json()))
    assert told["artifacts"] == {"Ingest": {"examples": {"uri": "/artifacts/1", "id": 3, "type": "Examples"}}}
    assert told["source_fingerprint"] == "ab12"


def test_a_run_whose_source_cannot_be_read_has_no_fingerprint_of_it():
    told = result().as_json()
    assert told["artifacts"] == {}
    assert told["source_fingerprint"] is None
