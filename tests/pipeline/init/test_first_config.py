"""sluice init: what is guessed from a file, why, and what is asked."""

import gzip
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
import yaml
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from pipeline import cli
from pipeline.config import Config
from pipeline.config_file import load
from pipeline.errors import ConfigError, DataRefused
from pipeline.init.commented_yaml import scalar
from pipeline.init.first_config import model_name
from pipeline.init.first_config import write as init

ENGINES = """engine_id,cycle,heat,worn
a,1,0.5,no
a,2,0.7,no
a,3,0.6,no
b,1,0.1,yes
b,2,0.3,yes
b,3,0.9,yes
"""
METER = "".join(f"2024-01-{day:02} 12:00:00,{day * 7 % 5}.5,{day % 2}\n" for day in range(1, 31))
MESSAGES = 'ham\tsee you at home tonight\nspam\twin a free "prize call now\nham\tcan you call me later\n' * 5


@pytest.fixture
def first(tmp_path: Path, write: Callable[[str, str], Path]) -> Callable[..., str]:
    """Writes a data file, lets `init` look at it and gives the YAML."""

    def first_yaml(name: str, text: str) -> str:
        init(str(write(name, text)), tmp_path / "sluice.yaml", force=True)
        return (tmp_path / "sluice.yaml").read_text(encoding="utf-8")

    return first_yaml


def test_a_remote_file_gives_the_configuration_of_a_local_one_with_its_address(first, tmp_path):
    local = first("engines.csv", ENGINES)
    tf.io.gfile.makedirs("ram://init")
    tf.io.gfile.copy(str(tmp_path / "engines.csv"), "ram://init/engines.csv", overwrite=True)
    init("ram://init/*.csv", tmp_path / "sluice.yaml", force=True)
    remote = (tmp_path / "sluice.yaml").read_text(encoding="utf-8")
    assert data_of(remote) == {**data_of(local), "source": "ram://init/*.csv"}
    assert load(tmp_path / "sluice.yaml").data.source == ("ram://init/*.csv",)


def test_a_remote_pair_of_files_is_found(tmp_path):
    tf.io.gfile.makedirs("ram://pair")
    for name in ("Tiny_TRAIN.ts", "Tiny_TEST.ts"):
        with tf.io.gfile.GFile(f"ram://pair/{name}", "w") as file:
            file.write("@univariate true\n@classLabel true a b\n@data\n1,2:a\n3,4:b\n")
    init("ram://pair/Tiny_TRAIN.ts", tmp_path / "sluice.yaml")
    source = data_of((tmp_path / "sluice.yaml").read_text(encoding="utf-8"))["source"]
    assert source == {"train": "ram://pair/Tiny_TRAIN.ts", "eval": "ram://pair/Tiny_TEST.ts"}


def test_a_remote_folder_is_no_file(tmp_path):
    tf.io.gfile.makedirs("ram://folder/inner")
    with pytest.raises(ConfigError, match="ram://folder/inner is a folder"):
        init("ram://folder/inner", tmp_path / "sluice.yaml")


def data_of(text: str) -> dict:
    return yaml.safe_load(text)["data"]


def line_of(text: str, key: str) -> str:
    """The line of a key with the comments right above it."""
    lines = text.splitlines()
    place = next(i for i, line in enumerate(lines) if line.strip().startswith(f"{key}:"))
    first = place
    while lines[first - 1].strip().startswith("#"):
        first -= 1
    return "\n".join(lines[first : place + 1])


def questions_of(text: str) -> str:
    """All comments in one line."""
    return " ".join(line.strip().lstrip("# ") for line in text.splitlines() if line.strip().startswith("#"))


def schema_of(folder: Path) -> dict[str, schema_pb2.Feature]:
    text = (folder / "sluice.pbtxt").read_text(encoding="utf-8")
    return {each.name: each for each in text_format.Parse(text, schema_pb2.Schema()).feature}


def test_id_time_label_and_task_are_guessed_with_reasons(first):
    text = first("engines.csv", ENGINES)
    assert [data_of(text)[key] for key in ("sequence_id", "time", "label")] == ["engine_id", "cycle", "worn"]
    assert "window" not in data_of(text)
    assert "by its name; 2 values, 3 rows each, in runs" in line_of(text, "sequence_id")
    assert "numbers that increase in a sequence" in line_of(text, "time")
    assert "the only column that can be it: 2 values: 'no', 'yes', the same in" in line_of(text, "label")
    assert "task: binary" in line_of(text, "task")
    assert "the label has 2 values: 'no', 'yes'" in line_of(text, "task")
    assert "QUESTION" not in text


def test_the_configuration_loads_without_mistakes(first, tmp_path):
    first("engines.csv", ENGINES)
    config = load(tmp_path / "sluice.yaml")
    assert (config.name, config.task, config.split_by) == ("engines", "binary", "sequence")
    assert config.data.source == (str(tmp_path / "engines.csv"),)


def test_several_classes_get_a_bound_so_that_run_works(first, tmp_path):
    first("rows.csv", ENGINES + "c,1,0.1,maybe\nc,2,0.3,maybe\nc,3,0.9,maybe\n")
    config = load(tmp_path / "sluice.yaml")
    assert config.task == "multiclass"
    assert [(bound.metric, bound.min) for bound in config.gate.thresholds] == [("recall_macro", 0.8)]


def test_every_task_gets_bounds_that_run_needs(first, tmp_path):
    def metrics(name: str, text: str) -> tuple[str, list[str]]:
        found = yaml.safe_load(first(name, text))
        return found["task"], [bound["metric"] for bound in found["gate"]["thresholds"]]

    assert metrics("engines.csv", ENGINES) == ("binary", ["recall", "precision"])
    assert "of the class 'yes'" in line_of((tmp_path / "sluice.yaml").read_text(), "gate")
    rows = "".join(f"{i},{t},{t * 0.5},{i * 1.37:.2f}\n" for i in range(30) for t in range(3))
    assert metrics("rows.csv", f"trip,t,speed,target\n{rows}") == ("regression", ["r2"])
    assert metrics(
        "play.txt",
        "To be or not to be,\nthat is the question: whether it is nobler in the mind\n\nto suffer\n" * 5,
    ) == ("generation", ["perplexity"])


def test_a_label_of_many_numbers_means_regression(first):
    rows = "".join(f"{i},{t},{t * 0.5},{i * 1.37:.2f}\n" for i in range(30) for t in range(3))
    text = first("rows.csv", f"trip,t,speed,target\n{rows}")
    assert yaml.safe_load(text)["task"] == "regression"
    assert "the label is a number: 30 values" in line_of(text, "task")


def test_a_file_without_header_gets_names_for_its_columns(first):
    data = data_of(first("rows.csv", ENGINES.partition("\n")[2]))
    assert data["columns"] == ["column_1", "column_2", "column_3", "column_4"]
    assert "header" not in data
    assert (data["sequence_id"], data["time"], data["label"]) == ("column_1", "column_2", "column_4")


def test_blanks_between_cells_are_found(first):
    rows = "".join(f"{i} {t} {0.5 * t - i:.1f}  \n" for i in (1, 2, 3) for t in (1, 2, 3, 4))
    text = first("rows.txt", rows)
    assert data_of(text)["format"] == "csv"
    assert data_of(text)["delimiter"] == "whitespace"
    assert (data_of(text)["sequence_id"], data_of(text)["time"]) == ("column_1", "column_2")


@pytest.mark.parametrize(("name", "character"), [("tab", "\t"), (";", ";"), ("|", "|")])
def test_other_delimiters_are_found(first, name, character):
    assert data_of(first("rows.csv", ENGINES.replace(",", character)))["delimiter"] == name


def test_a_header_with_one_name_fewer_than_cells_leaves_out_row_numbers(first):
    rows = "".join(f'"{i}",{line}\n' for i, line in enumerate(METER.splitlines(), 140))
    text = first("rows.txt", f"date,power,on\n{rows}")
    data = data_of(text)
    assert data["columns"] == ["row", "date", "power", "on"]
    assert data["header"] is True
    assert data["ignore"] == ["row"]
    assert "row numbers: the header has no name for them" in text


def test_a_header_whose_first_name_is_empty_is_one_with_row_numbers(first, tmp_path):
    rows = "".join(f"{i},{line}\n" for i, line in enumerate(ENGINES.splitlines()[1:]))
    data = data_of(first("rows.csv", f",engine_id,cycle,heat,worn\n{rows}"))
    assert (data["columns"][0], data["header"], data["ignore"]) == ("row", True, ["row"])
    load(tmp_path / "sluice.yaml")


def test_quotation_marks_that_do_not_balance_belong_to_the_cells(first):
    data = data_of(first("messages", MESSAGES))
    assert (data["delimiter"], data["quoted"]) == ("tab", False)
    assert data["label"] == "column_1"
    assert data["features"] == {"column_2": "text"}


def test_balanced_quotation_marks_stay_quotes(first):
    assert "quoted" not in data_of(first("messages", MESSAGES.replace('a free "prize', 'a "free" prize')))


def test_one_series_gets_windows_and_is_split_by_time(first, tmp_path):
    text = first("meter.csv", f"when_at,power,occupied\n{METER}")
    config = load(tmp_path / "sluice.yaml")
    assert (config.data.time, config.data.label, config.split_by) == ("when_at", "occupied", "time")
    assert config.data.window.length == 3
    assert config.data.window.horizon == 1
    assert "a tenth of the rows" in line_of(text, "window")
    assert "what comes later judges the model" in line_of(text, "split")


def test_a_label_that_changes_within_a_sequence_means_windows(first):
    rows = "".join(f"{unit},{t},{t * t % 7},{t % 2}\n" for unit in "ab" for t in range(10))
    text = first("rows.csv", f"unit,t,power,label\n{rows}")
    assert data_of(text)["window"] == {"length": 5, "stride": 1, "horizon": 1}
    assert "changes within a sequence" in line_of(text, "window")


def test_without_a_column_that_fits_the_label_is_a_question(first, tmp_path):
    text = first("rows.csv", ENGINES.replace(",worn", "").replace(",no", "").replace(",yes", ""))
    assert "QUESTION: which column holds the answer to learn? no column looks like it" in text
    assert "label_from: remaining_steps" in questions_of(text)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "sluice.yaml")
    (problem,) = caught.value.problems
    assert problem.startswith("data.label: required")
    assert "It has no label" in (tmp_path / "sluice.pbtxt").read_text()


def test_two_columns_named_like_a_label_are_a_question(first):
    text = first("rows.csv", ENGINES.replace("heat,worn", "target,label"))
    assert "label" not in data_of(text)
    assert "QUESTION: which column holds the answer to learn? target, label fit equally well" in text


def test_the_last_column_is_weak_evidence_and_asked_about(first):
    rows = "".join(f"{unit},{t},{t}.5,{unit > 'b'},{unit in 'ac'}\n" for unit in "abcd" for t in range(3))
    text = first("rows.csv", f"unit,t,power,big,odd\n{rows}")
    assert data_of(text)["label"] == "odd"
    assert "QUESTION: is odd the answer to learn, or big?" in text


def test_rows_that_nothing_groups_or_orders_are_a_question(first):
    rows = "".join(f"{i * 7 % 5}.5,{i * 3 % 7}.5,{i % 2}\n" for i in range(20))
    text = first("rows.csv", f"a,b,class\n{rows}")
    assert "QUESTION: which rows belong together?" in text


def test_a_time_that_repeats_is_a_question(first):
    rows = "".join(f"2024-01-0{day},{day * i}.5,{i % 2}\n" for i in range(3) for day in range(1, 9))
    assert "QUESTION: which column tells sequences apart? date looks like a time" in first(
        "rows.csv", f"date,power,label\n{rows}"
    )


def test_rows_of_texts_are_sequences_and_their_ids_are_left_out(first):
    rows = "".join(f"r{i},this is the text number {i},{i % 2}\n" for i in range(40))
    text = first("rows.csv", f"review_id,review,sentiment\n{rows}")
    assert "sequence_id" not in data_of(text)
    assert data_of(text)["ignore"] == ["review_id"]
    assert "an id: it differs in every row" in text
    assert "a row has a whole text (in review), and is a sequence by itself" in text


def test_constant_and_counting_columns_are_left_out_with_the_reason(first):
    rows = "".join(f"{i},{line},C\n" for i, line in enumerate(ENGINES.splitlines()[1:]))
    text = first("rows.csv", f"nr,engine_id,cycle,heat,worn,scale\n{rows}")
    assert data_of(text)["ignore"] == ["nr", "scale"]
    assert "it counts the rows" in text
    assert "the same in all 6 rows" in text


def test_a_column_that_tells_the_label_is_left_out_and_asked_about(first):
    rows = "".join(f"the text of number {i} is here,{i % 4},{i % 4 > 1}\n" for i in range(40))
    text = first("rows.csv", f"text,rating,label\n{rows}")
    assert data_of(text)["ignore"] == ["rating"]
    assert "QUESTION: rating tells label: is it known before the answer is?" in text


def test_y_between_x_and_z_is_no_label(first):
    rows = "".join(f"{unit},{t},{t}.1,{t * t % 5}.2,{t}.3\n" for unit in "ab" for t in range(4))
    assert "label" not in data_of(first("rows.csv", f"unit,t,x,y,z\n{rows}"))


def test_plain_text_is_learned_step_by_step(first, tmp_path):
    text = first("story.txt", "Once upon a time, there was a town.\nNobody knew its name\nor said it.\n" * 4)
    config = load(tmp_path / "sluice.yaml")
    assert (config.format, config.task, config.split_by) == ("text", "generation", "order")
    assert config.data.window.length == config.data.window.stride == 27
    assert "all 276 characters" in text


def test_parquet_is_known_by_its_content(tmp_path):
    columns = {"engine_id": ["a"] * 3 + ["b"] * 3, "cycle": [1, 2, 3] * 2, "heat": [0.5] * 5 + [1.0]}
    pq.write_table(pa.table({**columns, "label": [True] * 3 + [False] * 3}), tmp_path / "rows")
    init(str(tmp_path / "rows"), tmp_path / "sluice.yaml")
    config = load(tmp_path / "sluice.yaml")
    assert (config.format, config.data.label, config.task) == ("parquet", "label", "binary")


def test_bytes_of_no_known_format_are_refused(tmp_path):
    (tmp_path / "rows").write_bytes(b"\xff\xfe\xfd\xfc" * 8)
    with pytest.raises(DataRefused, match="expected UTF-8 text, Parquet or TFRecord"):
        init(str(tmp_path / "rows"), tmp_path / "sluice.yaml")


def test_packed_files_are_looked_into(tmp_path):
    (tmp_path / "rows.csv.gz").write_bytes(gzip.compress(ENGINES.encode()))
    init(str(tmp_path / "rows.csv.gz"), tmp_path / "sluice.yaml")
    assert load(tmp_path / "sluice.yaml").data.label == "worn"


def test_a_relative_source_is_relative_to_the_output(tmp_path, write, monkeypatch):
    write("engines.csv", ENGINES)
    monkeypatch.chdir(tmp_path)
    init("engin*.csv", Path("configs/first.yaml"))
    assert data_of(Path("configs/first.yaml").read_text())["source"] == f"..{os.sep}engin*.csv"
    assert load("configs/first.yaml").data.label == "worn"
    assert Path("configs/first.pbtxt").is_file()


def test_odd_names_are_read_back_as_they_are(first, tmp_path):
    first("rows.csv", ENGINES.replace("engine_id,cycle,heat,worn", "engine id,cycle,heat: °C #1,yes"))
    config = load(tmp_path / "sluice.yaml")
    assert (config.data.sequence_id, config.data.label) == ("engine id", "yes")
    assert "heat: °C #1" in schema_of(tmp_path)


@pytest.mark.parametrize(
    "text", ["yes", "1e3", "null", "a, b", "*", "tab\there", '"', "ü", "..", "a: b", "~"]
)
def test_any_text_survives_yaml(text):
    assert yaml.safe_load(f"a: [{scalar(text)}]") == {"a": [text]}


@pytest.mark.parametrize(
    ("path", "name"),
    [("x/BasicMotions_TRAIN.ts", "basic_motions"), ("x/data.csv.gz", "data"), ("flights/*.csv", "flights")],
)
def test_the_model_is_named_after_the_file(path, name):
    assert model_name(path) == name


def test_the_schema_names_what_ingest_writes(first, tmp_path):
    first("engines.csv", ENGINES)
    features = schema_of(tmp_path)
    types = {name: schema_pb2.FeatureType.Name(feature.type) for name, feature in features.items()}
    assert types == {
        "sequence_id": "BYTES", "sequence_length": "INT", "step_time": "INT",
        "worn": "BYTES", "heat": "FLOAT",
    }  # fmt: skip
    assert list(features["worn"].string_domain.value) == ["no", "yes"]
    assert {(each.presence.min_count, each.presence.min_fraction) for each in features.values()} == {(1, 1.0)}
    assert "from all 6 rows of" in (tmp_path / "sluice.pbtxt").read_text()


def test_the_schema_of_windows_has_their_series_and_start(first, tmp_path):
    first("meter.csv", f"date,power,occupied\n{METER}")
    assert set(schema_of(tmp_path)) >= {"series_id", "window_start", "sequence_id"}


def test_the_proposed_schema_can_be_uncommented(first, tmp_path):
    text = first("engines.csv", ENGINES)
    (tmp_path / "sluice.yaml").write_text(text.replace("# schema:", "schema:"))
    assert load(tmp_path / "sluice.yaml").schema_ == str(tmp_path / "sluice.pbtxt")


def sluice(capsys: pytest.CaptureFixture[str], arguments: Sequence[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        cli.main(["init", *arguments])
        sys.exit(0)
    out, err = capsys.readouterr()
    return int(left.value.code or 0), out, err


def test_the_command_says_what_it_guessed_and_what_to_type_next(capsys, write, tmp_path):
    data, output = write("engines.csv", ENGINES), tmp_path / "sluice.yaml"
    code, out, _ = sluice(capsys, [str(data), "-o", str(output)])
    assert code == 0
    assert f"looked at all 6 rows of {data}" in out
    assert "data.sequence_id  engine_id  (by its name;" in out
    assert out.splitlines()[-1].endswith(f"check {output}")


def test_questions_are_printed(capsys, write, tmp_path):
    data = write("rows.csv", ENGINES.replace("heat,worn", "target,label"))
    _, out, _ = sluice(capsys, [str(data), "-o", str(tmp_path / "sluice.yaml")])
    assert "questions left, also in the file:\n  - data.label: which column holds the answer" in out


@pytest.mark.parametrize("name", ["sluice.yaml", "sluice.pbtxt"])
def test_nothing_is_overwritten_without_force(capsys, write, tmp_path, name):
    data, existing = write("engines.csv", ENGINES), write(name, "mine")
    code, out, err = sluice(capsys, [str(data), "-o", str(tmp_path / "sluice.yaml")])
    assert (code, out) == (2, "")
    assert err == f"{existing}: already there; --force overwrites, -o writes elsewhere\n"
    assert existing.read_text() == "mine"
    assert sluice(capsys, [str(data), "-o", str(tmp_path / "sluice.yaml"), "--force"])[0] == 0
    assert existing.read_text() != "mine"


def test_no_such_file_and_a_folder_are_clear_errors(capsys, tmp_path):
    output = ["-o", str(tmp_path / "sluice.yaml")]
    code, _, err = sluice(capsys, [str(tmp_path / "absent.csv"), *output])
    assert (code, "no file matches" in err) == (2, True)
    code, _, err = sluice(capsys, [str(tmp_path), *output])
    assert (code, "is a folder; give one of its files" in err) == (2, True)


def load_first(path: Path, tmp_path: Path) -> Config:
    init(str(path), tmp_path / "sluice.yaml")
    return load(tmp_path / "sluice.yaml")


def test_occupancy(shared_data, tmp_path):
    config = load_first(shared_data("occupancy") / "datatraining.txt", tmp_path)
    data = config.data
    assert (config.task, config.split_by, config.format) == ("binary", "time", "csv")
    assert (data.sequence_id, data.time, data.label, data.ignore) == (None, "date", "Occupancy", ("row",))
    assert data.columns[:2] == ("row", "date")
    assert data.header
    assert data.window.length == 60


def test_occupancy_in_three_files_by_a_glob(shared_data, tmp_path):
    data = load_first(shared_data("occupancy") / "data*.txt", tmp_path).data
    assert (data.time, data.label, data.ignore) == ("date", "Occupancy", ("row",))


def test_cmapss(shared_data, tmp_path):
    with pytest.raises(ConfigError) as caught:
        load_first(shared_data("cmapss") / "PM_train.txt", tmp_path)
    (problem,) = caught.value.problems
    assert problem.startswith("data.label: required")
    config = load(tmp_path / "sluice.yaml", ["data.label=left", "data.label_from=remaining_steps",
                                             "data.window={length: 30, horizon: 0}"])  # fmt: skip
    data = config.data
    assert (data.delimiter, data.sequence_id, data.time) == ("whitespace", "column_1", "column_2")
    assert data.ignore == tuple(f"column_{place}" for place in (5, 6, 10, 15, 21, 23, 24))  # PROVENANCE.txt


def test_sms_spam(shared_data, tmp_path):
    config = load_first(shared_data("sms_spam") / "SMSSpamCollection", tmp_path)
    data = config.data
    assert (config.task, data.delimiter, data.quoted, data.label) == ("binary", "tab", False, "column_1")
    assert data.features == {"column_2": "text"}


def test_imdb(shared_data, tmp_path):
    config = load_first(shared_data("imdb") / "imdb_train_25k.csv.gz", tmp_path)
    data = config.data
    assert (config.task, data.sequence_id, data.label) == ("binary", None, "label")
    assert data.ignore == ("review_id", "movie_id", "rating")
    assert "QUESTION: rating tells label" in (tmp_path / "sluice.yaml").read_text()


def test_tinyshakespeare(shared_data, tmp_path):
    config = load_first(shared_data("tinyshakespeare") / "input.txt", tmp_path)
    assert (config.format, config.task, config.data.window.length) == ("text", "generation", 100)


@pytest.mark.parametrize(
    ("folder", "name"), [("basic_motions", "BasicMotions"), ("japanese_vowels", "JapaneseVowels")]
)
def test_a_pair_of_the_archive_is_given_as_train_and_eval(shared_data, tmp_path, folder, name):
    path = shared_data(folder) / f"{name}_TRAIN.ts"
    config = load_first(path, tmp_path)
    assert (config.name, config.task, config.split_by) == (folder, "multiclass", "given")
    assert config.data.source.eval == (str(path.with_name(f"{name}_TEST.ts")),)
