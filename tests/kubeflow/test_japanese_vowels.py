"""A given split of real recordings, on Kubeflow as in a local run."""

import pytest

from tests.end_to_end.conftest import make_home
from tests.kubeflow.cluster import Cluster
from tests.kubeflow.conftest import bytes_of, compile_for_kubeflow

pytestmark = [pytest.mark.slow, pytest.mark.long]


def test_japanese_vowels_end_pushed_from_the_same_examples(tmp_path, shared_data):
    home, data = make_home(tmp_path), shared_data("japanese_vowels")
    name = "japanese_vowels"
    # Compiled where the data is not: its place is given when the run is started.
    compiled = compile_for_kubeflow(home, name)
    source = f"{{train: {data}/JapaneseVowels_TRAIN.ts, eval: {data}/JapaneseVowels_TEST.ts}}"
    run = Cluster(tmp_path / "root").run(compiled.specification, source=source)
    assert run.failed == [], run.ended[run.failed[0]].log
    assert len(compiled.versions(name)) == 1
    checked = home.sluice("check", f"pipeline/configs/{name}.yaml", f"--set=data.source={source}")
    assert checked.returncode == 0, checked.stdout
    alone = home.artifact(name, "Ingest", "examples")
    assert bytes_of(run.artifact("Ingest", "examples")) == bytes_of(alone)
