"""Two runs beside each other: what changed, and nothing else."""

import json

from pipeline.report.comparison import comparison
from pipeline.report.source import RunFiles
from tests.pipeline.report.made import make


def pair(tmp_path, change=None, **others):
    runs = [make(tmp_path / f"run-{number}", **({} if number == 1 else others)) for number in (1, 2)]
    if change:
        path = runs[1] / "run.json"
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))
    return comparison(*(RunFiles.read(run, among=True) for run in runs))


def section(text, name):
    begin = text.index(f'<section id="{name}"')
    return text[begin : text.index("</section>", begin)]


def test_of_equal_runs_nothing_differs(tmp_path):
    text = pair(tmp_path)
    assert "Configuration and versions are the same." in section(text, "configuration")
    assert "Both meet and miss the same requirements." in section(text, "decisions")


def test_keys_that_were_changed_are_named_with_both_values_and_others_are_not(tmp_path):
    def change(content):
        content["config"]["training"]["learning_rate"] = 0.25
        content["config"]["run"]["root"] = "elsewhere"
        content["versions"]["tfx"] = "9.9"

    found = section(pair(tmp_path, change), "configuration")
    assert found.index("training.learning_rate") < found.index("run.root")
    assert "0.25" in found
    assert "0.001" in found
    assert "elsewhere" in found
    assert "tfx" in found
    assert "batch_size" not in found


def test_new_features_findings_and_missed_requirements_are_named(tmp_path):
    text = pair(tmp_path, status="model_refused", features=["amount", "site", "new"])
    assert "new" in section(text, "data")
    found = section(text, "decisions")
    assert "met" in found
    assert "missed" in found
    assert "site=site 1" in found
    assert "site=site 0" not in found


def test_runs_that_came_to_different_stages_can_be_compared(tmp_path):
    for number, status in enumerate(("data_refused", "failed", "running", "checked")):
        assert "<h1>" in pair(tmp_path / str(number), status=status)
