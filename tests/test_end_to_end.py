"""The whole chain as a user runs it. One run of the demo serves many assertions."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk
from tensorflow_metadata.proto.v0 import anomalies_pb2

from pipeline import demo_data

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
SLUICE = str(Path(sys.executable).with_name("sluice"))
STAGES = [
    "Ingest", "StatisticsGen", "SchemaGen", "ExampleValidator", "Auditor", "DataGate",
    "Transform", "Trainer", "Evaluator", "Pusher",
]  # fmt: skip

# Runs with nothing but the installed packages: no site customisation, no project on the path.
PREDICT = """
import json, sys
sys.path[:0] = [sys.argv[1]]
try:
    import components
    raise SystemExit("the project is on the path")
except ImportError:
    pass
import tensorflow as tf
model = tf.saved_model.load(sys.argv[2])
ask = model.signatures["serving_default"]
records = list(tf.data.TFRecordDataset(sys.argv[3], "GZIP").as_numpy_iterator())
together = ask(tf.constant(records))
alone = [ask(tf.constant([record]))["probabilities"].numpy()[0].tolist() for record in records[:20]]
features = [tf.train.Example.FromString(record).features.feature for record in records]
labels = [feature["label"].bytes_list.value[0].decode() for feature in features]
print(json.dumps({
    "together": together["probabilities"].numpy().tolist(), "alone": alone, "truth": labels,
    "label": [text.decode() for text in together["label"].numpy()],
    "classes": [text.decode() for text in together["classes"].numpy()[0]],
}))
"""


@dataclass(frozen=True)
class Home:
    """A folder with the example configurations, as in a fresh checkout."""

    path: Path

    def sluice(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [SLUICE, *arguments]
        return subprocess.run(
            command, cwd=self.path, capture_output=True, text=True, check=False, timeout=500
        )

    def json(self, name: str, file: str) -> Any:
        return json.loads((self.path / "runs" / name / "latest" / file).read_text(encoding="utf-8"))

    def versions(self, name: str) -> list[str]:
        folder = self.path / "serving_models" / name
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []

    def artifact(self, name: str, stage: str, key: str) -> Path:
        folder = self.path / "runs" / name / "artifacts" / stage / key
        return max(folder.iterdir(), key=lambda path: int(path.name))


def make_home(path: Path) -> Home:
    shutil.copytree(ROOT / "pipeline" / "configs", path / "pipeline" / "configs")
    demo_data.make(path / "data" / "demo.csv")
    return Home(path)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return make_home(tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="module")
def first(home: Home) -> subprocess.CompletedProcess[str]:
    """The demo, run once; everything else in this module builds on it."""
    done = home.sluice("run", "pipeline/configs/demo.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def predictions(home: Home, first: object) -> dict[str, Any]:
    (version,) = home.versions("demo")
    (records,) = (home.artifact("demo", "Ingest", "examples") / "Split-eval").iterdir()
    packages = str(Path(np.__file__).parents[1])
    model = str(home.path / "serving_models" / "demo" / version)
    command = [sys.executable, "-I", "-S", "-c", PREDICT, packages, model, str(records)]
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_the_demo_pushes_one_version_and_says_so(home, first):
    lines = first.stdout.splitlines()
    (version,) = home.versions("demo")
    assert version.isdigit()
    assert (home.path / "serving_models" / "demo" / version / "saved_model.pb").is_file()
    assert f"  version {version} is in serving_models/demo/{version}" in lines
    assert [
        line.split()[0] for line in lines if line.startswith("  ") and line.split()[0] in STAGES
    ] == STAGES
    assert any(line.startswith("label=peak") for line in lines)
    assert " why runs/demo/" in lines[-1]
    assert first.stderr == ""
    assert max(map(len, lines)) < 100, "chatter of the libraries is on the screen"


def test_the_loss_falls_each_epoch_and_the_model_solves_the_demo(home, first):
    run = home.json("demo", "run.json")
    losses = [epoch["loss"] for epoch in run["training"]["epochs"]]
    assert len(losses) == 5
    assert losses == sorted(losses, reverse=True)
    overall = home.json("demo", "evaluation.json")["slices"][0]
    assert (overall["slice"], overall["examples"]) == ({}, 200)
    assert overall["metrics"]["accuracy"]["value"] >= 0.87


def test_the_record_holds_what_the_design_promises(home, first):
    run = home.json("demo", "run.json")
    assert set(run) >= {
        "run_id", "name", "status", "exit_code", "started", "finished",
        "stages", "versions", "pushed", "config",
    }  # fmt: skip
    assert (run["status"], run["exit_code"]) == ("pushed", 0)
    assert [stage["name"] for stage in run["stages"]] == STAGES
    assert all(stage["status"] == "done" and not stage["cached"] for stage in run["stages"])
    assert len(run["pushed"]["sha256"]) == 64
    assert run["config"]["training"]["epochs"] == 5
    validation = home.json("demo", "validation.json")
    assert validation["verdict"] == "pass"
    assert {name: part["sequences"] for name, part in validation["splits"].items()} == {
        "train": 800,
        "eval": 200,
    }
    verdict = home.json("demo", "verdict.json")
    assert verdict["blessed"]
    assert [decision["passed"] for decision in verdict["decisions"]] == [True] * 5
    assert (home.path / "runs" / "demo" / "artifacts" / "metadata.sqlite").is_file()
    assert (home.path / "runs" / "demo" / "latest" / "run.log").stat().st_size > 0


def test_the_first_eight_hundred_train_and_the_last_two_hundred_judge(home, first, predictions):
    table = pd.read_csv(home.path / "data" / "demo.csv")
    assert predictions["truth"] == table["label"].to_numpy()[8000::10].tolist()


def test_the_pushed_model_answers_like_the_trainers_without_the_project(home, predictions):
    import keras
    import tensorflow_transform as tft

    from components.trainer.dataset import Data
    from components.trainer.inputs import read_inputs
    from components.trainer.model import Head
    from components.trainer.target import Target

    transform = tft.TFTransformOutput(str(home.artifact("demo", "Transform", "transform_graph")))
    (records,) = (home.artifact("demo", "Transform", "transformed_examples") / "Split-eval").iterdir()
    model = keras.models.load_model(home.artifact("demo", "Trainer", "model_run") / "model.keras")
    classes = tuple(predictions["classes"])
    target = Target(Head("multiclass", len(classes)), classes)
    data = Data([str(records)], transform, read_inputs(transform, "label"), target, "label", 64)
    batches = data.part(None).in_order()
    trained = np.concatenate([model(inputs, training=False)[weight > 0] for inputs, _, weight in batches])
    np.testing.assert_allclose(predictions["together"], trained, atol=1e-5)
    np.testing.assert_allclose(predictions["alone"], trained[:20], atol=1e-5)


def test_the_request_in_the_readme_is_answered(home, first):
    code = (ROOT / "README.md").read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], cwd=home.path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("b'") == 2


def test_every_metric_of_every_slice_equals_scikit_learn(home, predictions):
    truth, label = np.array(predictions["truth"]), np.array(predictions["label"])
    probabilities, classes = np.float64(predictions["together"]), predictions["classes"]
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    evaluation = home.json("demo", "evaluation.json")["slices"]
    assert [one["slice"] for one in evaluation] == [
        {}, *({"label": c} for c in classes), {"sequence_length": "10+"},
    ]  # fmt: skip
    for one in evaluation:
        rows = truth == one["slice"].get("label", truth)
        values = {name: metric["value"] for name, metric in one["metrics"].items()}
        assert one["examples"] == rows.sum()
        assert values["accuracy"] == pytest.approx(sk.accuracy_score(truth[rows], label[rows]), abs=1e-6)
        for place, name in enumerate(("precision", "recall", "f1")):
            expected = sk.precision_recall_fscore_support(
                truth[rows], label[rows], labels=classes, zero_division=0
            )[place]
            assert [values[f"{name}[{c}]"] for c in classes] == pytest.approx(expected.tolist(), abs=1e-6)
        if len(set(truth[rows])) == len(classes):
            area = sk.roc_auc_score(truth[rows], probabilities[rows], multi_class="ovr")
            assert values["auc_macro"] == pytest.approx(area, abs=1e-3)


def test_a_repeated_run_takes_every_stage_from_the_cache(home, first):
    before = home.versions("demo")
    done = home.sluice("run", "pipeline/configs/demo.yaml")
    assert done.returncode == 0
    assert all(stage["cached"] for stage in home.json("demo", "run.json")["stages"])
    assert done.stdout.count("cached") == len(STAGES)
    assert home.versions("demo") == before


def test_a_bound_out_of_reach_is_refused_and_nothing_is_pushed(home, first):
    before = home.versions("demo")
    bound = "gate.thresholds=[{metric: recall_macro, min: 1.01, slice: label}]"
    done = home.sluice("run", "pipeline/configs/demo.yaml", "--set", bound)
    assert done.returncode == 4, done.stdout
    assert home.versions("demo") == before
    run = home.json("demo", "run.json")
    assert (run["status"], run["pushed"]) == ("model_refused", None)
    peak = next(
        one for one in home.json("demo", "evaluation.json")["slices"] if one["slice"] == {"label": "peak"}
    )
    value = peak["metrics"]["recall_macro"]["value"]
    why = home.sluice("why", "demo").stdout
    expected = (
        f"recall_macro is {value:.4f} on label=peak ({peak['examples']} sequences), {1.01 - value:.4f} below"
    )
    assert expected in why
    assert "the bound 1.01" in why


def delete(version: Path) -> None:
    shutil.rmtree(version)


def damage(version: Path) -> None:
    (version / "assets" / "label").write_text("half\n")


def supersede(version: Path) -> None:
    newer = version.with_name(str(int(version.name) + 1))
    shutil.copytree(version, newer)
    (newer / "fingerprint.pb").write_bytes(b"another model")


@pytest.mark.parametrize("change", [delete, damage, supersede])
def test_a_push_that_no_longer_serves_this_model_is_made_again(home, first, change):
    change(home.path / "serving_models" / "demo" / home.versions("demo")[-1])
    others = set(home.versions("demo"))
    done = home.sluice("run", "pipeline/configs/demo.yaml")
    assert done.returncode == 0, done.stdout
    run = home.json("demo", "run.json")
    assert {stage["name"]: stage["cached"] for stage in run["stages"]} == {
        name: name != "Pusher" for name in STAGES
    }
    newest = home.versions("demo")[-1]
    assert newest not in others
    assert run["pushed"]["version"] == newest
    assert home.sluice("run", "pipeline/configs/demo.yaml").returncode == 0
    run = home.json("demo", "run.json")
    assert all(stage["cached"] for stage in run["stages"])
    assert run["pushed"]["version"] == newest == home.versions("demo")[-1]


def test_runs_lists_them_all(home, first):
    statuses = [
        line.split()[2] for line in home.sluice("runs", "pipeline/configs/demo.yaml").stdout.splitlines()
    ]
    assert set(statuses) <= {"pushed", "model_refused"}
    assert statuses[-1] == "pushed"


def test_a_class_that_training_never_saw_refuses_the_data_before_transform(tmp_path):
    home = make_home(tmp_path)
    table = pd.read_csv(home.path / "data" / "demo.csv")
    table.loc[table["sequence_id"] >= "s0990", "label"] = "sideways"
    table.to_csv(home.path / "data" / "demo.csv", index=False)
    done = home.sluice("run", "pipeline/configs/demo.yaml")
    assert done.returncode == 3, done.stdout
    run, validation = home.json("demo", "run.json"), home.json("demo", "validation.json")
    assert run["status"] == "data_refused"
    assert [(stage["name"], stage["status"]) for stage in run["stages"]][-2:] == [
        ("Auditor", "done"), ("DataGate", "failed"),
    ]  # fmt: skip
    assert validation["verdict"] == "fail"
    assert [(f["severity"], f["check"], f["split"], f["feature"]) for f in validation["findings"]] == [
        ("error", "label-domain", "eval", "label"), ("warning", "label-drift", "all", "label"),
    ]  # fmt: skip
    assert validation["findings"][0]["examples"] == [f"s{number:04}" for number in range(990, 1000)]
    assert "sideways" in done.stdout
    assert "  error label-domain: give both splits sequences of every class" in done.stdout
    anomalies = home.artifact("demo", "Auditor", "findings") / "Split-eval" / "SchemaDiff.pb"
    found = anomalies_pb2.Anomalies.FromString(anomalies.read_bytes())
    assert "sideways" in found.anomaly_info["label"].description
    assert home.versions("demo") == []


def test_a_given_schema_is_held_against_the_data(tmp_path):
    home = make_home(tmp_path)
    contract = f"--set=schema={ROOT}/schema/demo.pbtxt"
    assert home.sluice("check", "pipeline/configs/demo.yaml", contract).returncode == 0
    assert home.json("demo", "run.json")["status"] == "checked"
    path = home.path / "data" / "demo.csv"
    lines = path.read_text().splitlines(keepends=True)
    lines[9990] = lines[9990].replace(lines[9990].split(",")[4], "77.5", 1)
    path.write_text("".join(lines))
    done = home.sluice("check", "pipeline/configs/demo.yaml", contract)
    assert done.returncode == 3, done.stdout
    findings = home.json("demo", "validation.json")["findings"]
    assert [(finding["split"], finding["feature"]) for finding in findings] == [("eval", "f2")]
    assert "77.5" in done.stdout


def test_a_bad_cell_refuses_the_data_and_leaves_nothing_half_written(tmp_path):
    home = make_home(tmp_path)
    path = home.path / "data" / "demo.csv"
    lines = path.read_text().splitlines(keepends=True)
    lines[7] = lines[7].replace(lines[7].split(",")[2], "a lot", 1)
    path.write_text("".join(lines))
    done = home.sluice("check", "pipeline/configs/demo.yaml")
    assert done.returncode == 3, done.stdout
    assert "line 8, column f0: expected a number, got 'a lot'" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert not list((home.path / "runs" / "demo" / "artifacts").glob("Ingest/examples/*/*"))


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_with_130_and_the_next_run_works(tmp_path, sent):
    home = make_home(tmp_path)
    command = [SLUICE, "run", "pipeline/configs/demo.yaml"]
    with subprocess.Popen(
        command, cwd=home.path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if line.split()[:1] == ["Auditor"]:
                break
        time.sleep(2)  # well inside Transform
        os.kill(running.pid, sent)
        out, err = running.communicate(timeout=60)
    assert running.returncode == 130, out + err
    assert "interrupted: nothing was pushed" in out
    assert "Traceback" not in out + err
    run = home.json("demo", "run.json")
    assert (run["exit_code"], run["stages"][-1]["status"]) == (130, "failed")
    assert home.versions("demo") == []
    assert home.sluice("runs").stdout.split()[2] == "interrupted"
    again = home.sluice("run", "pipeline/configs/demo.yaml")
    assert again.returncode == 0, again.stdout
    assert [stage["cached"] for stage in home.json("demo", "run.json")["stages"]][:5] == [True] * 5


def test_japanese_vowels_are_told_apart(tmp_path, shared_data):
    home, data = make_home(tmp_path), shared_data("japanese_vowels")
    done = home.sluice(
        "run",
        "pipeline/configs/japanese_vowels.yaml",
        f"--set=data.source.train={data}/JapaneseVowels_TRAIN.ts",
        f"--set=data.source.eval={data}/JapaneseVowels_TEST.ts",
    )
    assert done.returncode == 0, done.stdout
    assert len(home.versions("japanese_vowels")) == 1
    evaluation = home.json("japanese_vowels", "evaluation.json")["slices"]
    assert evaluation[0]["examples"] == 370
    assert evaluation[0]["metrics"]["accuracy"]["value"] >= 0.96
    lengths = [one["slice"]["sequence_length"] for one in evaluation if "sequence_length" in one["slice"]]
    assert len(lengths) == 4


def test_windows_of_a_real_series_go_through_every_stage(tmp_path, shared_data):
    home, data = make_home(tmp_path), shared_data("occupancy")
    done = home.sluice(
        "run",
        "pipeline/configs/occupancy.yaml",
        f"--set=data.source={data}/data*.txt",
        "--set=data.window.stride=15",
        "--set=model={units: [8]}",
        "--set=training={epochs: 2, learning_rate: 0.01}",
        "--set=gate.thresholds=[{metric: recall, min: 0.5}]",
    )
    assert done.returncode == 0, done.stdout
    validation = home.json("occupancy", "validation.json")
    assert validation["split"]["unit"] == "windows"
    assert validation["split"]["left_out"]["reach across the cutoff"] > 0
    assert validation["splits"]["train"]["last_time"] < validation["splits"]["eval"]["first_time"]
    assert validation["rows"] == {"read": 20_560, "skipped": 0, "examples": []}
    assert set(validation["features"]["kinds"].values()) == {"float"}
    assert "features: float Temperature, Humidity, Light, CO2, HumidityRatio (inferred" in done.stdout
    evaluation = home.json("occupancy", "evaluation.json")["slices"]
    assert evaluation[0]["examples"] == validation["splits"]["eval"]["sequences"]


def test_a_column_of_categories_is_learnt(tmp_path):
    home = make_home(tmp_path)
    path = home.path / "data" / "demo.csv"
    table = pd.read_csv(path)
    # All that tells the class: a colour at one step of each sequence.
    told = table["label"].map({"falling": "red", "peak": "green", "rising": "blue"})
    table["colour"] = np.where(table["time"] % 10 == 4, told, "grey")
    table.drop(columns=[f"f{i}" for i in range(1, 5)]).assign(f0=0.5).to_csv(path, index=False)
    done = home.sluice(
        "run",
        "pipeline/configs/demo.yaml",
        "--set=audit.severity={label-as-feature: off, constant-feature: off, duplicate-across-splits: off}",
        "--set=training.epochs=12",
        "--set=training.learning_rate=0.02",
    )
    assert done.returncode == 0, done.stdout
    assert "features: float f0; category colour" in done.stdout
    assert home.json("demo", "evaluation.json")["slices"][0]["metrics"]["accuracy"]["value"] > 0.95


ASK = """
import json, sys
import tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
records = list(tf.data.TFRecordDataset(sys.argv[2], "GZIP").as_numpy_iterator())
found = model.signatures[sys.argv[3]](examples=tf.constant(records))
plain = lambda one: one.decode() if isinstance(one, bytes) else one
found.pop("classes", None)
decoded = {name: [plain(one) for one in value.numpy().tolist()] for name, value in found.items()}
print(json.dumps(decoded))
"""


def answers(home: Home, name: str, signature: str, label: str = "label") -> tuple[dict[str, Any], list[Any]]:
    """What the pushed model says of the evaluation split, and what is true."""
    (records,) = (home.artifact(name, "Ingest", "examples") / "Split-eval").iterdir()
    version = home.path / "serving_models" / name / home.versions(name)[-1]
    command = [sys.executable, "-I", "-c", ASK, str(version), str(records), signature]
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    import tensorflow as tf

    truth = []
    for record in tf.data.TFRecordDataset(str(records), "GZIP").as_numpy_iterator():
        told = tf.train.Example.FromString(record).features.feature[label]
        truth += told.float_list.value or [one.decode() for one in told.bytes_list.value]
    return json.loads(done.stdout.splitlines()[-1]), truth


def overall(home: Home, name: str) -> dict[str, float]:
    metrics = home.json(name, "evaluation.json")["slices"][0]["metrics"]
    return {metric: one["value"] for metric, one in metrics.items()}


def test_texts_are_told_apart_and_binary_metrics_equal_scikit_learn(tmp_path):
    home, random = make_home(tmp_path), np.random.default_rng(1)
    words = {"ham": "see you at home for lunch today", "spam": "win cash prize now call free"}
    filler = ["the", "a", "to", "of", "and", "I"]
    rows = []
    for number in range(600):
        label = ["ham", "ham", "spam"][number % 3]
        said = random.choice([*words[label].split(), *filler], random.integers(3, 15))
        rows.append(f"{label}\t{' '.join(said)} {number}")
    (home.path / "data" / "messages.tsv").write_text("\n".join(rows) + "\n")
    done = home.sluice(
        "run",
        "pipeline/configs/sms_spam.yaml",
        "--set=data.source=data/messages.tsv",
        "--set=model={units: [8], embedding: 8}",
        "--set=training={epochs: 4, learning_rate: 0.02, batch_size: 16, class_weight: balanced}",
    )
    assert done.returncode == 0, done.stdout
    (found, kinds), values = answers(home, "sms_spam", "serving_default", "kind"), overall(home, "sms_spam")
    truth, scores = np.array(kinds) == "spam", np.array(found["probabilities"])[:, 1]
    said = np.array(found["label"]) == "spam"
    assert values["precision"] == pytest.approx(sk.precision_score(truth, said), abs=1e-6)
    assert values["recall"] == pytest.approx(sk.recall_score(truth, said), abs=1e-6)
    assert values["f1"] == pytest.approx(sk.f1_score(truth, said), abs=1e-6)
    assert values["auc"] == pytest.approx(sk.roc_auc_score(truth, scores), abs=1e-3)
    assert values["pr_auc"] == pytest.approx(sk.average_precision_score(truth, scores), abs=1e-3)
    beside = home.path / "serving_models" / "sms_spam" / home.versions("sms_spam")[-1] / "assets.extra"
    assert {path.name for path in beside.iterdir()} == {"example_requests.json", "raw_schema.pbtxt"}
    logs = home.artifact("sms_spam", "Trainer", "model_run") / "tensorboard"
    assert list(logs.rglob("events.out.*"))


WEIGHTS = np.array([-1, 0.5, 1, -1, 0.5, 0.8])


def test_a_number_is_learnt_in_its_own_unit_and_its_metrics_equal_scikit_learn(tmp_path):
    home, random = make_home(tmp_path), np.random.default_rng(2)
    rows = []
    for number in range(400):
        steps = random.normal(size=6).round(4)
        rows += [f"s{number:03},{at},{x},{1000 + 50 * steps @ WEIGHTS:.4f}" for at, x in enumerate(steps)]
    (home.path / "data" / "sums.csv").write_text("\n".join(["id,at,x,label", *rows]) + "\n")
    (home.path / "sums.yaml").write_text(
        "name: sums\ntask: regression\n"
        "data: {source: data/sums.csv, sequence_id: id, time: at, label: label}\n"
        "split: {by: order, eval_fraction: 0.25}\n"
        "model: {units: [12], dropout: 0.0}\n"
        "training: {epochs: 40, batch_size: 16, learning_rate: 0.02, schedule: cosine, patience: 40}\n"
        "gate: {thresholds: [{metric: rmse, max: 60}, {metric: r2, min: 0.8}]}\n"
    )
    done = home.sluice("run", "sums.yaml")
    assert done.returncode == 0, done.stdout
    (found, truth), values = answers(home, "sums", "serving_default"), overall(home, "sums")
    predicted = found["prediction"]
    assert values["mse"] == pytest.approx(sk.mean_squared_error(truth, predicted), rel=1e-6)
    assert values["rmse"] == pytest.approx(sk.mean_squared_error(truth, predicted) ** 0.5, rel=1e-6)
    assert values["mae"] == pytest.approx(sk.mean_absolute_error(truth, predicted), rel=1e-6)
    assert values["r2"] == pytest.approx(sk.r2_score(truth, predicted), abs=1e-6)


TEXT = "the cat sat on the mat.\nthe dog sat on the log.\n" * 60


@pytest.mark.parametrize("unit", ["characters", "words"])
def test_a_text_is_learnt_and_goes_on(tmp_path, unit):
    home = make_home(tmp_path)
    (home.path / "data" / "text.txt").write_text(TEXT)
    done = home.sluice(
        "run",
        "pipeline/configs/tinyshakespeare.yaml",
        "--set=data.source=data/text.txt",
        f"--set=data.tokens={unit}",
        "--set=data.window={length: 12, stride: 2}",
        "--set=audit.severity={window-overlap: off, duplicate-across-splits: off}",
        "--set=model={units: [24], embedding: 8, dropout: 0.0}",
        "--set=training={epochs: 12, batch_size: 32, learning_rate: 0.02}",
        "--set=gate.thresholds=[{metric: perplexity, max: 1.6}, {metric: bleu, min: 50}]",
    )
    assert done.returncode == 0, done.stdout
    (found, _), values = answers(home, "tinyshakespeare", "evaluation"), overall(home, "tinyshakespeare")
    loss = -sum(found["log_likelihood"]) / sum(found["tokens"])
    assert values["log_loss"] == pytest.approx(loss, rel=1e-6)
    assert values["perplexity"] == pytest.approx(np.exp(loss), rel=1e-6)
    assert values["accuracy"] == pytest.approx(sum(found["correct"]) / sum(found["tokens"]), abs=1e-6)
    import tensorflow as tf

    version = home.path / "serving_models" / "tinyshakespeare" / home.versions("tinyshakespeare")[-1]
    generate = tf.saved_model.load(str(version)).signatures["generate"]
    text = generate(
        prompt=tf.constant(["the cat sat on"]),
        max_new_tokens=tf.constant({"characters": 9, "words": 3}[unit]),
        temperature=tf.constant(0.0),
        seed=tf.constant(1, tf.int64),
    )["text"].numpy()[0]
    assert text in (b" the mat.", b" the log.")


def test_a_series_of_numbers_goes_on(tmp_path):
    home = make_home(tmp_path)
    rows = [f"{at},{20 + 5 * np.sin(at / 4):.4f}" for at in range(1500)]
    (home.path / "data" / "wave.csv").write_text("\n".join(["at,level", *rows]) + "\n")
    (home.path / "wave.yaml").write_text(
        "name: wave\ntask: generation\n"
        "data: {source: data/wave.csv, time: at, window: {length: 40, stride: 4}}\n"
        "audit: {severity: {near-duplicate: off}}\n"
        "model: {units: [16], dropout: 0.0}\n"
        "training: {epochs: 40, batch_size: 16, learning_rate: 0.01}\n"
        "gate: {thresholds: [{metric: rmse, max: 0.1}]}\n"
    )
    done = home.sluice("run", "wave.yaml")
    assert done.returncode == 0, done.stdout
    found, _ = answers(home, "wave", "evaluation")
    squares = sum(found["squared_error"]) / sum(found["values"])
    assert overall(home, "wave")["mse"] == pytest.approx(squares, rel=1e-6)
    import tensorflow as tf

    model = tf.saved_model.load(str(home.path / "serving_models" / "wave" / home.versions("wave")[-1]))
    past = 20 + 5 * np.sin(np.arange(100, 140) / 4)
    level = model.signatures["generate"](
        level=tf.constant(past[None], tf.float32),
        lengths=tf.constant([40], tf.int64),
        max_new_tokens=tf.constant(8),
    )["level"].numpy()[0]
    np.testing.assert_allclose(level, 20 + 5 * np.sin(np.arange(140, 148) / 4), atol=1.0)


def test_a_training_that_was_killed_goes_on_after_its_last_epoch(tmp_path):
    home = make_home(tmp_path)
    command = [SLUICE, "run", "pipeline/configs/demo.yaml", "--set=training.epochs=8"]
    with subprocess.Popen(command, cwd=home.path, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if "epoch 3/8" in line:
                break
        running.kill()
    again = home.sluice(*command[1:])
    assert again.returncode == 0, again.stdout
    assert "going on after epoch 3" in again.stdout or "going on after epoch 4" in again.stdout
    assert "epoch 2/8" not in again.stdout
    epochs = home.json("demo", "run.json")["training"]["epochs"]
    other = make_home(tmp_path / "whole")
    assert other.sluice(*command[1:]).returncode == 0
    assert other.json("demo", "run.json")["training"]["epochs"] == epochs
    assert not (home.path / "runs" / "demo" / "artifacts" / "Trainer" / "unfinished").exists()


def test_worker_processes_write_the_same_bytes(tmp_path, first, home):
    alone = home.artifact("demo", "Ingest", "examples")
    other = make_home(tmp_path)
    workers = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")
    done = other.sluice("check", "pipeline/configs/demo.yaml", "--", *workers)
    assert done.returncode == 0, done.stdout
    apart = other.artifact("demo", "Ingest", "examples")
    for split in ("train", "eval"):
        files = {path.name: path.read_bytes() for path in (alone / f"Split-{split}").iterdir()}
        assert files == {path.name: path.read_bytes() for path in (apart / f"Split-{split}").iterdir()}
