"""What is refused before a push, and with which reason: damaged files, and graphs with one defect."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from components.servability.compare import differences
from components.servability.inspection import inspect, stored_by_signature
from components.servability.process import Died, fresh_process
from components.servability.trials import Expected, trials
from components.servability.versions import known_versions
from components.trainer.beside import FOLDER, files_of
from components.trainer.warmup import WARMUP
from pipeline.config import Servability
from tests.components.servability import tiny

DEFAULT = Servability()
ROOT = Path(__file__).resolve().parents[3]
OPS = ROOT / "components" / "servability" / "ops"
EVERY = [
    "files",
    "signatures",
    "ops",
    "paths",
    "loads",
    "warm-up",
    "answers",
    "finite",
    "batches",
    "wrong-requests",
]


def failed(found) -> dict[str, str]:
    """Name of each check that is not passed, and its reasons."""
    return {check.name: " | ".join(check.reasons) for check in found.checks if not check.passed}


@pytest.mark.parametrize("name", ["multiclass", "binary", "regression", "characters", "numbers"])
def test_an_export_of_the_trainer_passes_every_check(name, request):
    exported = request.getfixturevalue(name)
    expected = json.loads(exported.expected.read_text())
    found = inspect(str(exported.folder), expected, exported.target.head.task, DEFAULT, [])
    assert failed(found) == {}
    assert [check.name for check in found.checks] == EVERY
    assert found.measured["requests"] > 100
    assert 0 < found.measured["p50_ms"] <= found.measured["p99_ms"]
    assert found.measured["memory_mb"] > 50  # TensorFlow's library alone is larger


@pytest.fixture
def damaged(binary, tmp_path):
    """A copy of an export to damage, and what is expected of it; it has a vocabulary."""
    copy = tmp_path / "model"
    shutil.copytree(binary.folder, copy)
    return copy, json.loads(binary.expected.read_text())


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def half_the_lines(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[: len(lines) // 2]))


GRAPH, INDEX = Path("saved_model.pb"), Path("variables/variables.index")
SHARD, VOCABULARY = Path("variables/variables.data-00000-of-00001"), Path("assets/tokens_note")
REQUESTS = Path(FOLDER, WARMUP)
DAMAGES = {
    "graph missing": (GRAPH, Path.unlink, "saved_model.pb (the graph) is missing"),
    "graph half": (GRAPH, cut, "saved_model.pb (the graph) has "),
    "index missing": (INDEX, Path.unlink, "variables.index (the index of the weights) is missing"),
    "shard cut": (SHARD, cut, "00001 (weights) has "),
    "shard bit flipped": (SHARD, flip_a_bit, "00001 (weights) holds other bytes"),
    "asset missing": (VOCABULARY, Path.unlink, "tokens_note (a vocabulary or another asset) is missing"),
    "vocabulary half": (VOCABULARY, half_the_lines, "tokens_note (a vocabulary or another asset) has "),
    "warm-up corrupted": (REQUESTS, flip_a_bit, "warmup_requests (the warm-up requests) holds other bytes"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_refused_by_its_name(damaged, damage):
    folder, expected = damaged
    path, harm, reason = DAMAGES[damage]
    harm(folder / path)
    found = inspect(str(folder), expected, "binary", DEFAULT, [])
    assert set(failed(found)) == {"files"}
    assert reason in failed(found)["files"]


# Where the trainer had written it so, and digests say nothing: what loading and asking finds.
LOADED = {
    "graph half": ("loads", "no SavedModel"),
    "index missing": ("warm-up", "failed"),
    "shard cut": ("loads", ""),
    "shard bit flipped": ("loads", "Checksum"),
    "asset missing": ("loads", "tokens_note"),
    "vocabulary half": ("answers", "instead of"),
    "warm-up corrupted": ("warm-up", "corrupted record"),
}


@pytest.mark.parametrize("damage", LOADED)
def test_a_file_that_was_written_damaged_is_found_by_loading_or_asking(damaged, damage):
    folder, expected = damaged
    path, harm, _ = DAMAGES[damage]
    harm(folder / path)
    found = inspect(str(folder), tiny.written_so(folder, expected), "binary", DEFAULT, [])
    check, words = LOADED[damage]
    assert words in failed(found)[check]


def test_a_nested_graph_that_is_dropped_is_missed(tmp_path):
    expected = tiny.export(tmp_path / "model")
    nested = tmp_path / "model" / "assets.extra" / "inner" / "saved_model.pb"
    nested.parent.mkdir()
    nested.write_bytes(b"graph")
    expected = tiny.written_so(tmp_path / "model", expected)
    nested.unlink()
    found = inspect(str(tmp_path / "model"), expected, "binary", DEFAULT, [])
    assert "inner/saved_model.pb (a nested graph) is missing" in failed(found)["files"]


def test_a_missing_fingerprint_is_harmless(damaged):
    folder, expected = damaged
    (folder / "fingerprint.pb").unlink()
    assert failed(inspect(str(folder), expected, "binary", DEFAULT, [])) == {}


def test_a_file_that_the_trainer_did_not_write_is_refused(damaged):
    folder, expected = damaged
    (folder / "assets" / "more").write_text("x")
    found = failed(inspect(str(folder), expected, "binary", DEFAULT, []))
    assert "assets/more is no file of the trainer's" in found["files"]


def test_a_link_in_an_export_is_refused(damaged, tmp_path):
    folder, expected = damaged
    (folder / VOCABULARY).rename(tmp_path / "outside")
    (folder / VOCABULARY).symlink_to(tmp_path / "outside")
    found = failed(inspect(str(folder), expected, "binary", DEFAULT, []))
    assert f"assets/tokens_note is a link to {tmp_path}/outside" in found["files"]


def test_a_sound_graph_answers_as_computed_on_paper(tmp_path):
    found = inspect(str(tmp_path / "model"), tiny.export(tmp_path / "model"), "binary", DEFAULT, [])
    assert failed(found) == {}


def reads_padding(module, steps, mask):
    return tf.reduce_sum(steps, axis=1) / tf.maximum(tf.reduce_sum(tf.cast(mask, tf.float32), axis=1), 1)


def reads_the_width(module, steps, mask):
    return tiny.paper_mean(module, steps, mask) * tf.cast(tf.shape(steps)[1], tf.float32) / 6


def reads_other_rows(module, steps, mask):
    own = tiny.paper_mean(module, steps, mask)
    return own + 1e-3 * (tf.cast(tf.shape(own)[0], tf.float32) - len(tiny.LENGTHS))


def reads_its_place(module, steps, mask):
    own = tiny.paper_mean(module, steps, mask)
    last = tf.cast(tf.range(tf.shape(own)[0]) == len(tiny.LENGTHS) - 1, tf.float32)
    return own + last * (own - own[-1])


def counts_calls(module, steps, mask):
    own = tiny.paper_mean(module, steps, mask)
    return own + 0.01 * module.calls.assign_add(1.0)


def says_nan(module, steps, mask):
    return tf.math.log(tf.minimum(tiny.paper_mean(module, steps, mask), 0.0))


def differs_in_large_batches(module, steps, mask):
    own = tiny.paper_mean(module, steps, mask)
    return own + tf.cast(tf.shape(own)[0] > 64, tf.float32)


def forbids_empty_batches(module, steps, mask):
    with tf.control_dependencies([tf.debugging.assert_positive(tf.shape(steps)[0])]):
        return tiny.paper_mean(module, steps, mask)


def forbids_long_sequences(module, steps, mask):
    with tf.control_dependencies([tf.debugging.assert_less(tf.shape(steps)[1], 8)]):
        return tiny.paper_mean(module, steps, mask)


def calls_python(module, steps, mask):
    return tf.ensure_shape(tf.numpy_function(lambda one: one.sum(axis=1), [steps], tf.float32), [None])


DEFECTS = {
    "padding": (reads_padding, "batches", "padded with the first element"),
    "width": (reads_the_width, "batches", "padded with zeros"),
    "rows": (reads_other_rows, "batches", "alone"),
    "large batch": (differs_in_large_batches, "batches", "128 sequences at once"),
    "state": (counts_calls, "answers", "instead of"),
    "nan": (says_nan, "finite", "probabilities, score hold values that are no finite numbers"),
    "empty": (forbids_empty_batches, "batches", "an empty batch: failed"),
    "long": (forbids_long_sequences, "batches", "failed"),
    "python": (calls_python, "ops", "calls Python"),
}


def test_what_pads_is_never_padding_itself(multiclass):
    expected = json.loads(multiclass.expected.read_text())
    stored = stored_by_signature(expected["requests"], multiclass.served.signatures)
    assert stored["sequences"]["lengths"][0] == 0  # where the first element is padding
    padded = [one for one in trials(stored, Expected({}, {}), []) if one.signature == "sequences"][2:4]
    zeros, first = (one.inputs["a"] for one in padded)
    assert (zeros[0, 0], zeros[-1, -1]) == (first[0, 0], 0)
    assert first[-1, -1] == first[0, 0] != 0


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_graph_with_a_defect_is_refused_with_its_reason(tmp_path, defect):
    mean, check, words = DEFECTS[defect]
    expected = tiny.export(tmp_path / "model", mean)
    found = failed(inspect(str(tmp_path / "model"), expected, "binary", DEFAULT, []))
    assert words in found[check]


def test_a_graph_that_reads_a_file_elsewhere_is_refused_though_the_file_is_there(tmp_path):
    outside = tmp_path / "artifacts" / "factor"
    outside.parent.mkdir()
    outside.write_text("1.0")

    def reads_a_file(module, steps, mask):
        return tiny.paper_mean(module, steps, mask) * tf.strings.to_number(tf.io.read_file(str(outside)))

    expected = tiny.export(tmp_path / "model", reads_a_file)
    found = failed(inspect(str(tmp_path / "model"), expected, "binary", DEFAULT, [str(outside.parent)]))
    assert found == {"paths": f"the graph names {outside}, which the server does not have"}
    outside.unlink()  # and as it would be on the server
    found = failed(inspect(str(tmp_path / "model"), expected, "binary", DEFAULT, []))
    assert "failed" in found["answers"]


def test_a_class_may_be_called_like_a_folder_of_this_machine(tmp_path):
    def names_classes(module, steps, mask):
        named = tf.gather(tf.constant(["/usr", "/etc"]), tf.shape(steps)[1] % 2)
        return tiny.paper_mean(module, steps, mask) + tf.cast(tf.strings.length(named) - 4, tf.float32)

    expected = tiny.export(tmp_path / "model", names_classes)
    assert failed(inspect(str(tmp_path / "model"), expected, "binary", DEFAULT, [])) == {}


def rewritten(folder: Path, change) -> None:
    saved = saved_model_pb2.SavedModel.FromString((folder / GRAPH).read_bytes())
    change(saved.meta_graphs[0])
    (folder / GRAPH).write_bytes(saved.SerializeToString())


@pytest.mark.parametrize(
    ("op", "words"),
    [("CudnnRNNV3", "runs on a GPU only"), ("OpOfTomorrow", "is unknown to TensorFlow Serving")],
)
def test_an_op_that_the_server_cannot_run_is_named(tmp_path, op, words):
    expected = tiny.export(tmp_path / "model")

    def change(graph):
        graph.graph_def.node.add(name="strange", op=op)

    rewritten(tmp_path / "model", change)
    expected = tiny.written_so(tmp_path / "model", expected)
    found = failed(inspect(str(tmp_path / "model"), expected, "binary", DEFAULT, []))
    assert found.keys() == {"ops"} and f"op {op} {words}" in found["ops"]


def test_an_attribute_that_the_server_does_not_know_is_named(tmp_path):
    expected = tiny.export(tmp_path / "model")

    def change(graph):
        node = next(one for one in graph.graph_def.node if one.op == "Placeholder")
        node.attr["new_in_99"].b = True

    rewritten(tmp_path / "model", change)
    expected = tiny.written_so(tmp_path / "model", expected)
    found = failed(inspect(str(tmp_path / "model"), expected, "binary", DEFAULT, []))
    assert "op Placeholder has new_in_99, unknown to TensorFlow Serving" in found["ops"]


@pytest.mark.parametrize("missing", ["serving_default", "sequences"])
def test_a_missing_signature_is_named(tmp_path, missing):
    kept = tuple({"serving_default", "sequences"} - {missing})
    expected = tiny.export(tmp_path / "model", signatures=kept)
    found = failed(inspect(str(tmp_path / "model"), expected, "binary", DEFAULT, []))
    assert f"the graph has no signature {missing}" in found["signatures"]


def test_a_graph_without_the_tag_is_refused(tmp_path):
    expected = tiny.export(tmp_path / "model")
    rewritten(tmp_path / "model", lambda graph: graph.meta_info_def.tags.append("gpu"))
    expected = tiny.written_so(tmp_path / "model", expected)
    assert (
        "no graph has the tags serve"
        in failed(inspect(str(tmp_path / "model"), expected, "binary", DEFAULT, []))["loads"]
    )


@pytest.mark.parametrize("kind", [1, 9])
def test_an_answer_of_another_type_is_named(tmp_path, kind):
    expected = tiny.export(tmp_path / "model")

    def change(graph):
        graph.signature_def["sequences"].outputs["label"].dtype = kind

    rewritten(tmp_path / "model", change)
    expected = tiny.written_so(tmp_path / "model", expected)
    found = failed(inspect(str(tmp_path / "model"), expected, "binary", DEFAULT, []))
    assert found == {"signatures": f"output label of sequences has the DataType {kind} instead of 7"}


@pytest.mark.parametrize(("unit", "offset"), [(2e-6, 0.0), (3.0, 1e6)])
def test_answers_in_a_small_unit_or_far_from_zero_are_compared_as_well(unit, offset):
    wanted = {"prediction": np.array([-1.0, 0.5, 1.5]) * unit + offset}
    constant = {"prediction": np.full(3, offset, np.float32)}
    rounded = {"prediction": wanted["prediction"].astype(np.float32)}
    units = {"prediction": unit}
    assert "of row" in (differences(constant, wanted, units) or "")
    assert differences(rounded, wanted, units) is None


def test_memory_is_that_of_the_process_alone(tmp_path):
    expected = tiny.export(tmp_path / "model")
    alone = inspect(str(tmp_path / "model"), expected, "binary", DEFAULT, []).measured["memory_mb"]
    held = np.ones(250_000_000 // 8 * 8)  # 2 GB in the process that asks
    beside = inspect(str(tmp_path / "model"), expected, "binary", DEFAULT, []).measured["memory_mb"]
    assert held.nbytes > 1e9 and abs(beside - alone) < 300


def test_generation_must_have_a_signature_that_goes_on(tmp_path):
    found = inspect(str(tmp_path / "model"), tiny.export(tmp_path / "model"), "generation", DEFAULT, [])
    assert "no signature generate" in failed(found)["signatures"]


def test_other_answers_than_the_trainers_are_refused(tmp_path):
    expected = tiny.export(tmp_path / "model")
    expected["answers"]["score"][3] += 1e-3
    found = failed(inspect(str(tmp_path / "model"), expected, "binary", DEFAULT, []))
    assert "score of row 3 is" in found["answers"]


@pytest.mark.parametrize(("budget", "check"), [({"p99_ms": 1e-6}, "latency"), ({"memory_mb": 1.0}, "memory")])
def test_a_budget_that_is_exceeded_is_a_reason_of_its_own(tmp_path, budget, check):
    expected = tiny.export(tmp_path / "model")
    found = failed(inspect(str(tmp_path / "model"), expected, "binary", Servability(**budget), []))
    assert found.keys() == {check} and "above the budget" in found[check]


def test_a_budget_that_is_kept_is_no_reason(tmp_path):
    expected = tiny.export(tmp_path / "model")
    roomy = Servability(p99_ms=60_000, memory_mb=100_000)
    found = inspect(str(tmp_path / "model"), expected, "binary", roomy, [])
    assert failed(found) == {} and [check.name for check in found.checks][-2:] == ["latency", "memory"]


def test_a_process_that_dies_says_where(tmp_path):
    tiny.export(tmp_path / "model")
    with fresh_process(tmp_path / "model") as process:
        process._process.kill()
        with pytest.raises(Died, match="signal 9"):
            list(process.ask([("sequences", {})]))


def test_the_fresh_process_sees_neither_the_project_nor_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path.cwd()))
    tiny.export(tmp_path / "model")
    with fresh_process(tmp_path / "model") as process:
        shutil.rmtree(tmp_path / "model")  # it has a copy
        x = np.ones([1, 2], np.float32)
        (answer,) = process.ask([("sequences", {"lengths": np.array([2]), "x": x})])
        maps = Path(f"/proc/{process._process.pid}/environ").read_bytes()
    assert answer.outputs["score"][0] == pytest.approx(1 / (1 + np.exp(-tiny.WEIGHT)), abs=1e-6)
    assert b"PYTHONPATH" not in maps


def test_the_list_of_ops_is_what_the_library_says():
    own = ".".join(tf.__version__.split(".")[:2])
    if own not in known_versions():
        pytest.skip(
            f"no TensorFlow Serving {own} is released: the newest has the ops of {known_versions()[-1]}"
        )
    listed = [sys.executable, "-m", "serving.loader.ops"]  # where no Python has registered ops of its own
    said = subprocess.run(listed, capture_output=True, text=True, check=True, cwd=ROOT, timeout=60).stdout
    assert said.splitlines()[1:] == (OPS / f"{own}.txt").read_text(encoding="utf-8").splitlines()[1:]


def test_digests_are_those_of_the_files(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(b"abc")
    sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, B.1
    assert files_of(str(tmp_path)) == {"a/b": {"bytes": 3, "sha256": sha256}}
