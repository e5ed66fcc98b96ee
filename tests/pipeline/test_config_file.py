"""The configuration: what is read, and every mistake in one message."""

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
import yaml

from pipeline.config import Config, GivenSource
from pipeline.config_file import load
from pipeline.config_schema import json_schema
from pipeline.config_values import duration_us
from pipeline.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
VALID = """
name: demo
task: multiclass
data: {source: rows.csv, sequence_id: id, label: kind}
"""

Write = Callable[[str, str], Path]


@pytest.fixture
def load_text(write: Write) -> Callable[..., Config]:
    """Loads a configuration from text, beside a source file rows.csv."""
    write("rows.csv", "id,kind,a\n1,x,0.5\n")

    def load_it(text: str, *overrides: str) -> Config:
        return load(write("sluice.yaml", text), overrides)

    return load_it


def problems_of(call: Callable[[], object]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        call()
    assert caught.value.exit_code == 2
    return list(caught.value.problems)


def test_defaults_are_those_of_the_design(load_text, tmp_path):
    config = load_text(VALID)
    assert (config.model.units, config.training.batch_size, config.training.seed) == ((64,), 64, 1)
    assert (config.push.to, config.run.root) == (str(tmp_path / "serving_models"), str(tmp_path / "runs"))
    assert config.split_by == "sequence"
    assert config.format == "csv"


def test_a_check_can_be_switched_off_although_yaml_reads_off_as_false(load_text):
    text = VALID + "audit: {severity: {near-duplicate: off, too-long: error}}\n"
    assert load_text(text).audit.severity == {"near-duplicate": "off", "too-long": "error"}
    assert load_text(VALID, "audit.severity.near-duplicate=off").audit.severity == {"near-duplicate": "off"}


def test_relative_paths_are_relative_to_the_file(load_text, tmp_path):
    config = load_text(VALID + "push: {to: out}\nrun: {root: ../there}\n")
    assert config.data.source == (str(tmp_path / "rows.csv"),)
    assert config.push.to == str(tmp_path / "out")
    assert config.run.root == str(tmp_path.parent / "there")


def test_models_may_go_to_an_object_store(load_text):
    config = load_text(VALID + "push: {to: 'ram://bucket/models/', keep: 2}\n")
    assert (config.push_base, config.push.keep) == ("ram://bucket/models/demo", 2)


def test_overrides_are_relative_to_the_working_directory(load_text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path.parent)
    config = load_text(VALID, "push.to=elsewhere", "training.learning_rate=1e-2", "model.units=[8, 4]")
    assert config.push.to == str(tmp_path.parent / "elsewhere")
    assert config.training.learning_rate == 0.01
    assert config.model.units == (8, 4)


def test_all_mistakes_come_in_one_message(load_text):
    problems = problems_of(
        lambda: load_text(
            """
            nam: demo
            task: multiclass
            data:
              source: absent.csv
              sequence_id: id
              label: kind
              features: {kind: float, a: float}
            training: {epochs: many, batch_size: true}
            gate: {thresholds: [{metric: recall_macr, min: 0.5}]}
            """.replace("\n            ", "\n")
        )
    )
    text = "\n".join(problems)
    assert "name: required, and missing" in text
    assert "nam: unknown key (did you mean name?)" in text
    assert 'training.epochs: expected a whole number, got "many"' in text
    assert "training.batch_size: expected a whole number, got true" in text
    assert "data.features.kind: kind is also data.label, so the model would read the answer" in text
    assert "gate.thresholds, recall_macr: no such metric for multiclass (did you mean recall_macro?)" in text
    assert "data.source: no file matches" in text
    assert len(problems) == 7


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ("split: {by: given}", "split.by: given needs data.source"),
        ("split: {by: time}", "split.by: time needs data.time"),
        ("split: {by: order, cutoff: 3}", "split.cutoff: has no meaning"),
        ("model: {units: []}", "model.units: expected at least one"),
        ("model: {units: [0]}", "expected more than 0, got 0"),
        ("model: {dropout: 1}", "model.dropout: expected less than 1"),
        ("gate: {thresholds: [{metric: accuracy}]}", "expected min or max"),
        ("gate: {thresholds: [{metric: accuracy, min: 1, max: 0}]}", "min 1 is more than max 0"),
        ("gate: {thresholds: [{metric: accuracy, min: .5, slice: site}]}", "the slice site is neither in"),
        ("gate: {thresholds: [defualt]}", "gate.thresholds.0: expected 'default', got \"defualt\""),
        ("gate: {thresholds: []}", "gate.thresholds: expected at least one"),
        ("drift: {numbers: 0}", "drift.numbers: expected more than 0.0, got 0"),
        ("drift: {lenghts: 0.1}", "drift.lenghts: unknown key (did you mean lengths?)"),
        (
            "audit: {severity: {near-duplicates: warning}}",
            "audit.severity, near-duplicates: no such check (did you mean near-duplicate?)",
        ),
        (
            'servability: {tf_serving: "1.15"}',
            "TensorFlow Serving 1.15 are not known here; use one of 2.16, 2.19, 2.20",
        ),
        ("servability: {p99_ms: 0}", "servability.p99_ms: expected more than 0"),
        (
            "servability: {tf_serving_image: tensorflow}",
            "expected an image with its tag, such as tensorflow/",
        ),
        ("servability: {tf_serving_image: a/b:1}", "servability.tf_serving_image: no Docker engine answers"),
        ("push: {to: rows.csv/below}", "push.to: cannot write to"),
        ("schema: rows.csv", "is no schema in text format"),
        (
            "run: {root: 'gs://bucket/runs'}",
            "run.root: gs://bucket/runs: expected a folder of this machine",
        ),
        ("run: {artifacts: rows.csv/below}", "run.artifacts: cannot write to"),
        ("run: {artifacts: runs}", "is run.root, where each folder is taken for a run"),
        (
            "run: {artifacts: 'nowhere://bucket/artifacts'}",
            "run.artifacts: nowhere://bucket/artifacts: there is no file system for nowhere://",
        ),
        (
            "schema: 'nowhere://bucket/schema.pbtxt'",
            "schema: nowhere://bucket/schema.pbtxt: there is no file system",
        ),
        ("schema: 'ram://bucket/schema.pbtxt'", "schema: ram://bucket/schema.pbtxt: there is no such file"),
        (
            "push: {to: 'nowhere://models'}",
            "push.to: nowhere://models: there is no file system for nowhere://",
        ),
        ("push: {keep: 0}", "push.keep: expected more than 0, got 0"),
        ("run: {workers: 0}", "run.workers: expected more than 0, got 0"),
        ("split: {by: time, cutoff: true}", "split.cutoff: expected text or a number, got true"),
        ("schema: nowhere.pbtxt", "schema: cannot read"),
    ],
)
def test_contradictions_are_named(load_text, monkeypatch, extra, expected):
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere")
    assert expected in "\n".join(problems_of(lambda: load_text(VALID + extra + "\n")))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("{source: rows.csv, sequence_id: id}", "data.label: required for multiclass"),
        ("{source: rows.csv, sequence_id: id, label: id}", "data.label: id is already data.sequence_id"),
        ("{source: rows.csv, sequence_id: id, label: kind, ignore: [id]}", "it cannot be left out"),
        ("{source: rows.csv, sequence_id: id, label: sequence_length}", "this name is taken"),
        ("{source: rows.txt, sequence_id: id, label: kind}", "data.format: cannot tell it"),
        ("{source: {train: rows.ts, eval: rows.ts}, ignore: [dim_0]}", "data.ignore: a ts file has no named"),
        (
            "{source: {train: rows.ts, eval: rows.ts}, label: dim_0}",
            "dim_0 is the name of a column of a ts file",
        ),
        (
            "{source: rows.parquet, label: kind, delimiter: tab}",
            "data.delimiter: only csv has it, not parquet",
        ),
        ("{source: rows.csv, label: kind, payload: example}", "data.payload: only tfrecord has it, not csv"),
        (
            "{source: rows.csv, label: kind, delimiter: tabs}",
            "expected one ASCII character, tab or whitespace",
        ),
        ("{source: rows.csv, label: kind, slices: [kind]}", "data.slices: kind has another role as well"),
        ("{source: rows.csv, label: kind, label_time: known}", "data.label_time: needs data.time"),
        ("{source: rows.csv, label: kind, label_from: remaining_steps}", "it needs regression and a window"),
        ("{source: rows.txt, format: text}", "text has no label to learn; multiclass needs another format"),
        ("{source: rows.txt, format: text, time: t}", "data.time: a text file has no named columns"),
        ("{source: [rows.csv, rows.ts], sequence_id: id, label: kind}", "names of different formats"),
        ("{source: ., format: csv, sequence_id: id, label: kind}", "is a folder; give its files"),
        ("{source: [], sequence_id: id, label: kind}", "data.source: expected at least one"),
    ],
)
def test_wrong_columns_are_named(load_text, write, data, expected):
    write("rows.txt", "x")
    write("rows.ts", "x")
    write("rows.parquet", "x")
    text = f"name: demo\ntask: multiclass\ndata: {data}\n"
    assert expected in "\n".join(problems_of(lambda: load_text(text)))


@pytest.mark.parametrize(
    ("task", "extra", "expected"),
    [
        ("multiclass", "positive: a", "data.positive: only binary has a positive class, not multiclass"),
        ("binary", "positive: true", 'write "yes"'),
        ("binary", "label_max: 5", "data.label_max: only regression has numbers as labels, not binary"),
        ("binary", "tokens: words", "data.tokens: only text has them, not csv"),
        (
            "regression",
            "training: {class_weight: balanced}",
            "training.class_weight: regression has no classes",
        ),
        (
            "generation",
            "model: {bidirectional: true}",
            "model.bidirectional: generation learns",
        ),
        (
            "generation",
            "features: {a: text, b: float}",
            "learns one feature of tokens, or numbers",
        ),
        ("generation", "window: {length: 1}", "data.window.length: generation learns the next step"),
        (
            "binary",
            "gate: {thresholds: [{metric: f1, min: 0.5, slice: label}]}",
            "without slice, f1[class] is that of a class",
        ),
    ],
)
def test_keys_that_do_not_go_with_a_task_are_named(load_text, task, extra, expected):
    section = extra.partition(":")[0]
    label = "" if task == "generation" else ", label: kind"
    if section in ("training", "model", "gate"):
        text = f"name: demo\ntask: {task}\ndata: {{source: rows.csv, sequence_id: id{label}}}\n{extra}\n"
    else:
        text = f"name: demo\ntask: {task}\ndata: {{source: rows.csv, sequence_id: id{label}, {extra}}}\n"
    assert expected in "\n".join(problems_of(lambda: load_text(text)))


def test_classes_that_are_numbers_may_be_written_as_numbers(load_text):
    config = load_text(
        "name: demo\ntask: binary\ndata: {source: rows.csv, sequence_id: id, label: kind, positive: 1}\n"
        "training: {class_weight: {0: 2, 1: 3.5}}\n"
    )
    assert config.data.positive == "1"
    assert config.training.class_weight == {"0": 2.0, "1": 3.5}


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("task=generation", "data.label: generation learns the next step and has no label"),
        ("data.window={length: 3, horizon: 2}", None),
        ("split={by: time, gap: 7d}", "split.by: time needs data.time"),
        ("split={by: time, gap: 3}", "split.gap: steps are left out between windows"),
        ("split={by: order, gap: 1.5h}", "split.gap: 1.5h needs split.by time"),
        ("split={by: sequence, gap: 3}", "split.gap: has no meaning with split.by sequence"),
        ("split={by: time, gap: -3}", "split.gap: expected at least 0, got -3"),
        (
            "split={by: time, gap: 7 fortnights}",
            "split.gap: expected a duration: a number and one of us, ms, s",
        ),
    ],
)
def test_windows_and_gaps_are_checked_against_the_rest(load_text, override, expected):
    if expected is None:
        load_text(VALID, override)
    else:
        assert expected in "\n".join(problems_of(lambda: load_text(VALID, override)))


@pytest.mark.parametrize(
    ("data", "by"),
    [
        ("{source: rows.csv, sequence_id: id, label: k}", "sequence"),
        ("{source: rows.csv, label: k}", "sequence"),
        ("{source: rows.csv, label: k, time: t, window: {length: 3}}", "time"),
        ("{source: rows.csv, label: k, window: {length: 3}}", "order"),
        ("{source: rows.csv, sequence_id: id, label: k, time: t, window: {length: 3}}", "sequence"),
        ("{source: rows.ts, window: {length: 3}}", "sequence"),
    ],
)
def test_the_split_follows_from_what_the_rows_are(load_text, write, data, by):
    write("rows.csv", "x")
    write("rows.ts", "x")
    assert load_text(f"name: n\ntask: multiclass\ndata: {data}\n").split_by == by


@pytest.mark.parametrize(
    ("source", "by"), [("a.txt", "order"), ("[a.txt, b.txt]", "sequence"), ("'*.txt'", "sequence")]
)
def test_one_text_is_split_by_order_and_many_by_text(load_text, write, source, by):
    write("a.txt", "x")
    write("b.txt", "x")
    data = f"{{source: {source}, format: text, window: {{length: 3}}}}"
    assert load_text(f"name: n\ntask: generation\ndata: {data}\n").split_by == by


def test_one_series_cannot_be_split_by_sequence(load_text):
    data = "{source: rows.csv, label: k, window: {length: 3}}"
    text = f"name: n\ntask: multiclass\ndata: {data}\nsplit: {{by: sequence}}\n"
    assert "one series cannot be split by sequence" in "\n".join(problems_of(lambda: load_text(text)))


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [("7d", 7 * 86400 * 10**6), ("90 s", 90 * 10**6), ("1.5h", 5400 * 10**6), ("3us", 3)],
)
def test_durations_are_said_as_people_say_them(text, microseconds):
    assert duration_us(text) == microseconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "expected keys such as name"),
        ("- 1", "expected keys such as name"),
        ("a: [", "not valid YAML"),
        ("name: a\nname: b", "'name' is given twice"),
        ("2020-01-01: 3", "keys must be"),
        ("a: &m {b: *m}", "Circular reference"),
        ('a: "\\ud800"', "surrogates not allowed"),
        ("data: {source: ~nobody_here/x.csv}", "a path cannot be used"),
    ],
)
def test_text_that_is_no_configuration_is_refused(load_text, text, expected):
    with pytest.raises(ConfigError) as caught:
        load_text(text)
    assert expected in str(caught.value)


def test_merge_keys_and_anchors_are_plain_yaml(load_text):
    config = load_text(VALID + "model: {<<: {dropout: 0.3}, units: [3]}\n")
    assert (config.model.dropout, config.model.units) == (0.3, (3,))


def test_one_wrong_item_of_a_list_does_not_hide_the_others(load_text):
    thresholds = "[{metric: acc, min: 0}, {min: 1}, 5, {metric: accuracy, min: 2, max: 1}]"
    problems = problems_of(lambda: load_text(VALID + f"gate: {{thresholds: {thresholds}}}\n"))
    assert len(problems) == 4
    assert "gate.thresholds.1.metric: required, and missing" in problems
    assert "gate.thresholds.2: expected keys and values, got 5" in problems
    assert "gate.thresholds, accuracy: min 2 is more than max 1" in problems


def test_a_wrong_value_is_reported_once(load_text):
    assert problems_of(lambda: load_text(VALID, "model.units=[0, x]", "data.sequence_id=1")) == [
        "model.units.0: expected more than 0, got 0",
        "data.sequence_id: expected text, got 1",
        'model.units.1: expected a whole number, got "x"',
    ]


def test_an_override_inside_a_list_is_refused(load_text):
    text = VALID + "gate: {thresholds: [{metric: accuracy, min: 0.5}]}\n"
    problems = problems_of(lambda: load_text(text, "gate.thresholds.0.min=0.4"))
    assert problems == ["--set gate.thresholds.0.min=0.4: thresholds is a list; give the whole of it"]


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"absent\.yaml: cannot read the configuration \(No such file"):
        load(tmp_path / "absent.yaml")


def test_a_given_split_names_both_sides(load_text, write):
    write("a.ts", "x")
    config = load_text("name: v\ntask: multiclass\ndata: {source: {train: a.ts, eval: a.ts}}\n")
    assert isinstance(config.data.source, GivenSource)
    assert (config.split_by, config.format, config.label) == ("given", "ts", "label")


def test_a_configuration_cannot_be_changed(load_text):
    with pytest.raises(ValueError, match="frozen"):
        load_text(VALID).training.epochs = 3


def test_the_json_schema_takes_what_the_reader_takes():
    schema = json.loads(json_schema())
    readme = (ROOT / "README.md").read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
    examples = [path.read_text() for path in (ROOT / "pipeline" / "configs").glob("*.yaml")]
    for text in (VALID, readme, *examples):
        jsonschema.validate(yaml.safe_load(text), schema)
    for wrong in ("task: clustering", "nonsense: 1", "training: {epochs: many}", "data: {source: []}"):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**yaml.safe_load(VALID), **yaml.safe_load(wrong)}, schema)


def test_the_published_json_schema_is_in_step():
    published = (ROOT / "pipeline" / "config.schema.json").read_text(encoding="utf-8")
    assert published == json_schema(), "run `make schema`"
    assert set(json.loads(published)["properties"]) == {
        "name", "task", "data", "split", "schema", "audit", "model", "training", "gate",
        "servability", "push", "drift", "run", "kubeflow",
    }  # fmt: skip


@pytest.mark.parametrize("path", sorted((ROOT / "pipeline" / "configs").glob("*.yaml")), ids=lambda p: p.stem)
def test_the_example_configurations_are_valid(path):
    assert load(path, local_files=False).name == path.stem


def test_a_name_longer_than_what_tfx_takes_is_refused(load_text):
    (problem,) = problems_of(lambda: load_text(VALID, f"name={'n' * 55}"))
    assert problem.startswith("name: expected at most 54 characters")
