"""Every check on a small defect, planted into clean sequences and found through the whole stage."""

import copy
import re
from pathlib import Path

import numpy as np
import pytest
import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2

from components.auditor.anomalies import read_anomalies
from components.auditor.checks import CHECKS
from components.auditor.component import DataGate, read_findings
from pipeline.errors import DataRefused
from tests.components.auditor.conftest import example, schema_of, some, windows

ROOT = Path(__file__).resolve().parents[3]
WINDOWED = {"data": {"window": {"length": 6, "horizon": 2}}}
OWN = ("f0", "f1", "f2")


def splits(train=120, evaluated=40):
    return some(train, seed=1), some(evaluated, seed=1, first=train)


def without(rows, *names):
    return [{name: values for name, values in row.items() if name not in names} for row in rows]


def by_time(rows, cut, gap=0):
    """Windows of a series, split at a step; what reaches across, with its label's step, is left out."""
    end = [row["window_start"][0] + 6 + 2 for row in rows]
    train = [row for row, last in zip(rows, end, strict=True) if last <= cut]
    return train, [row for row in rows if row["window_start"][0] >= cut + gap]


def test_clean_sequences_and_windows_have_no_finding(audit):
    found = audit(*splits(), with_tfdv=True)
    assert (found.findings, found.result["verdict"]) == ([], "pass")
    rows = without(windows(600), "now", "ahead")
    found = audit(*by_time(rows, 400, gap=2), split={"by": "time"}, **windowed())
    assert found.findings == []


def windowed(**changes):
    return {"data": {"time": "t", "sequence_id": None, **WINDOWED["data"]}, **changes}


def change(rows, place, **features):
    rows[place] = {**rows[place], **features}


def drop(rows, place, name):
    rows[place] = {key: values for key, values in rows[place].items() if key != name}


SHAPE = {
    "missing-feature": (lambda t, e: drop(e, 3, "f1"), "error", "eval", "f1", ["s123"]),
    "unexpected-feature": (lambda t, e: change(e, 3, other=[1.0] * 8), "error", "eval", "other", []),
    "wrong-type": (lambda t, e: change(e, 3, f1=[1] * 8), "error", "eval", "f1", ["s123"]),
    "length-mismatch": (lambda t, e: change(t, 3, f1=[1.0] * 7), "error", "train", "", ["s3"]),
    "empty-sequence": (
        lambda t, e: change(t, 3, **{name: [] for name in (*OWN, "step_time")}),
        "error", "train", "", ["s3"],
    ),
    "interior-padding": (
        lambda t, e: change(t, 3, **{name: [*t[3][name][:3], 0.0, 0.0, *t[3][name][5:]] for name in OWN}),
        "warning", "train", "", ["s3"],
    ),
    "label-missing": (lambda t, e: drop(t, 3, "label"), "error", "train", "label", ["s3"]),
    "label-domain": (lambda t, e: change(e, 3, label=["new"]), "error", "eval", "label", ["s123"]),
    "time-not-increasing": (
        lambda t, e: change(t, 3, step_time=[0, 2, 1, 3, 4, 5, 6, 7]), "error", "train", "", ["s3"],
    ),
    "duplicate-timestamp": (
        lambda t, e: change(t, 3, step_time=[0, 1, 1, 3, 4, 5, 6, 7]), "error", "train", "", ["s3"],
    ),
    "sequence-in-both-splits": (lambda t, e: change(e, 3, sequence_id=["s7"]), "error", "eval", "", ["s7"]),
    "duplicate-across-splits": (
        lambda t, e: change(e, 3, **{name: t[9][name] for name in OWN}, label=t[9]["label"]),
        "error", "eval", "", ["s123"],
    ),
    "duplicate-within-split": (
        lambda t, e: change(t, 3, **{name: t[1][name] for name in OWN}, label=t[1]["label"]),
        "warning", "train", "", ["s3"],
    ),
    "near-duplicate": (
        lambda t, e: change(e, 3, **{name: [value + 1e-4 for value in t[9][name]] for name in OWN}),
        "warning", "eval", "", ["s123"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("check", SHAPE)
def test_a_planted_defect_is_found_under_its_name_and_no_other(audit, check):
    plant, severity, split, feature, ids = SHAPE[check]
    train, evaluated = splits()
    plant(train, evaluated)
    # TFDV itself fails on a feature of two types in one split.
    found = audit(train, evaluated, against=schema_of(some(1)), with_tfdv=check != "wrong-type")
    (finding,) = found.findings
    assert (finding["check"], finding["severity"]) == (check, severity)
    assert (finding["split"], finding["feature"], finding["count"]) == (split, feature, 1)
    assert finding["examples"] == ids
    assert finding["fix"] == CHECKS[check].fix
    assert set(finding) == {"check", "severity", "split", "feature", "message", "count", "examples", "fix"}
    assert found.result["verdict"] == ("fail" if severity == "error" else "pass")


def test_values_that_are_missing_zero_or_infinite(audit):
    train, evaluated = splits()
    change(train, 3, **{name: [float("nan")] * 8 for name in OWN})
    change(train, 4, **{name: [0.0] * 8 for name in OWN})
    change(evaluated, 5, f1=[float("inf"), *evaluated[5]["f1"][1:]])
    found = audit(train, evaluated)
    padding = {one["severity"]: one for one in found.findings if one["check"] == "all-padding"}
    assert padding["error"]["examples"] == ["s3"]
    assert padding["warning"]["examples"] == ["s4"]
    values = {
        (one["severity"], one["feature"]): one for one in found.findings if one["check"] == "non-finite"
    }
    assert values["error", "f1"]["examples"] == ["s125"]
    assert values["warning", "f0"]["message"].startswith("8 of 960 (0.8 %) values are NaN")
    assert found.errors == {"all-padding", "non-finite"}


def test_a_constant_feature_is_a_warning(audit):
    train, evaluated = splits()
    for rows in (train, evaluated):
        for row in rows:
            row["still"], row["word"] = [2.5] * 8, ["on"] * 8
    found = audit(train, evaluated)
    assert {(one["check"], one["feature"]) for one in found.findings} == {
        ("constant-feature", "still"), ("constant-feature", "word"),
    }  # fmt: skip


def test_sequences_longer_than_the_limit_are_counted_with_what_is_lost(audit):
    found = audit(*splits(), data={"max_length": 6})
    train = next(one for one in found.findings if one["split"] == "train")
    assert train["check"] == "too-long"
    assert "240 of 960 (25.0 %) steps are cut" in train["message"]


def test_a_value_outside_the_domain_is_an_error_only_where_a_schema_was_given(audit):
    train, evaluated = splits()
    for rows in (train, evaluated):
        for place, row in enumerate(rows):
            row["colour"] = [["red", "green"][(place + step) % 2] for step in range(8)]
    evaluated[3]["colour"][2] = "blue"
    schema = schema_of(train)
    next(one for one in schema.feature if one.name == "colour").string_domain.value.extend(["red", "green"])
    inferred = audit(train, evaluated, against=schema, with_tfdv=True)
    assert (inferred.errors, inferred.only("token-out-of-range")["examples"]) == (set(), ["s123"])
    given = audit(train, evaluated, against=schema, with_tfdv=True, schema="s.pbtxt")
    assert given.errors == {"token-out-of-range"}
    assert "'blue'" in given.only("token-out-of-range")["message"]


def test_a_number_outside_its_domain_is_an_error(audit):
    train, evaluated = splits()
    for rows in (train, evaluated):
        for place, row in enumerate(rows):
            row["token"] = [(place * 3 + step) % 50 for step in range(8)]
    evaluated[3]["token"][0] = 50
    schema = schema_of(train)
    token = next(one for one in schema.feature if one.name == "token")
    token.int_domain.min, token.int_domain.max = 0, 49
    found = audit(train, evaluated, against=schema, with_tfdv=True)
    assert found.errors == {"token-out-of-range"}
    assert found.only("token-out-of-range")["examples"] == ["s123"]


def test_too_few_sequences(audit):
    few = audit(some(120), some(29, first=120))
    assert (few.errors, few.only("split-too-small")["split"]) == (set(), "eval")
    none = audit(some(120), [])
    assert none.errors == {"split-too-small"}
    assert audit(some(120), some(30, first=120)).findings == []


def test_classes_that_are_missing_or_too_many(audit):
    train, evaluated = splits()
    change(train, 0, label=["rare"])
    found = audit(train, evaluated, task="binary")
    domain = [one for one in found.findings if one["check"] == "label-domain"]
    assert [(one["severity"], one["split"]) for one in domain] == [
        ("warning", "eval"),
        ("error", "train"),
    ] or [(one["severity"], one["split"]) for one in domain] == [("error", "train"), ("warning", "eval")]
    for rows in (train, evaluated):
        for row in rows:
            row["label"] = ["p"]
    assert audit(train, evaluated).errors == {"label-domain"}


def test_conflicting_labels_are_counted_in_both_sequences(audit):
    train, evaluated = splits()
    other = {"p": "q", "q": "p"}[train[1]["label"][0]]
    change(train, 3, **{name: train[1][name] for name in OWN}, label=[other])
    found = audit(train, evaluated)
    assert found.only("conflicting-labels")["examples"] == ["s1", "s3"]
    assert found.warnings == {"conflicting-labels", "duplicate-within-split"}


def test_short_content_that_meets_by_chance_is_no_error(audit):
    random = np.random.default_rng(3)
    rows = [
        {
            "sequence_id": [f"s{i}"],
            "label": [str(random.choice(["p", "q"]))],
            "bit": random.integers(0, 2, 3).tolist(),
        }
        for i in range(200)
    ]
    found = audit(rows[:150], rows[150:])
    assert found.errors == set()
    assert "holds so little" in found.only("duplicate-across-splits")["message"]


def test_common_contents_are_no_error_and_neither_is_what_a_clock_repeats(audit):
    random = np.random.default_rng(0)
    path = [f"page{random.integers(20)}" for _ in range(8)]
    rows = some(300)
    for place, row in enumerate(rows):
        row["page"] = path if place % 10 == 0 else [f"page{random.integers(20)}" for _ in range(8)]
    rows = without(rows, *OWN)
    found = audit(rows[:200], rows[200:])
    assert (found.errors, found.only("duplicate-across-splits")["count"]) == (set(), 10)
    for place, row in enumerate(rows):
        row["page"] = [f"day{(place * 5 + step) % 7}" for step in range(8)]
    assert audit(rows[:200], rows[200:]).errors == set()


def test_a_duplicate_is_an_error_whatever_stands_in_the_first_file(audit):
    train, evaluated = splits()
    idle = [
        {**row, "sequence_id": [f"idle{i}"], **dict.fromkeys(OWN, (1.5,) * 8)}
        for i, row in enumerate(train[:60])
    ]
    change(evaluated, 3, **{name: train[9][name] for name in OWN})
    for rows in ([*idle, *train], [*train, *idle]):
        assert audit(rows, evaluated, files=3).errors == {"duplicate-across-splits"}


def test_a_feature_that_a_sequence_lacks_makes_no_other_one_padding(audit):
    train, evaluated = splits()
    schema = schema_of(train)
    next(one for one in schema.feature if one.name == "f1").presence.min_fraction = 0.5
    for place in range(0, 100, 5):
        change(train, place, f0=[float("nan")] * 8, f2=[float("nan")] * 8)
    drop(train, 7, "f1")
    assert audit(train, evaluated, against=schema).errors == set()
    change(train, 7, f0=[float("nan")] * 8, f2=[float("nan")] * 8)
    found = audit(train, evaluated, against=schema)
    assert (found.errors, found.only("all-padding")["examples"]) == ({"all-padding"}, ["s7"])


def test_zero_is_a_value_where_it_is_common(audit):
    random = np.random.default_rng(0)
    rows = without(some(300), *OWN)
    for row in rows:
        row["a"] = (random.random(8) < 0.1).astype(float).tolist()
        row["b"] = random.poisson(0.2, 8).tolist()
    found = audit(rows[:200], rows[200:])
    assert found.warnings & {"interior-padding", "all-padding"} == set()


def test_texts_of_other_scripts_are_told_apart(audit):
    random = np.random.default_rng(0)
    letters = list("абвгдежзиклмнопрстуфхцчшщ")
    rows = without(some(200), *OWN)
    for row in rows:
        row["text"] = [" ".join("".join(random.choice(letters, 6)) for _ in range(12))]
        row["sequence_length"], row["step_time"] = [1], [0]
    assert audit(rows[:150], rows[150:]).findings == []


def test_windows_that_share_one_step_are_an_error(audit):
    rows = without(windows(600), "now", "ahead")
    train, evaluated = by_time(rows, 400)
    last = max(row["window_start"][0] for row in train)
    evaluated = [row for row in rows if row["window_start"][0] == last + 5] + evaluated
    found = audit(train, evaluated, split={"by": "time"}, **windowed())
    assert found.errors == {"window-overlap"}
    assert found.only("window-overlap")["examples"] == [f"series@{last + 5}"]


def test_overlap_is_found_by_time_where_places_are_wrong(audit):
    rows = without(windows(600), "now", "ahead")
    train, evaluated = rows[:400], copy.deepcopy(rows[400:])
    for place, row in enumerate(evaluated):
        row["window_start"], row["sequence_id"] = [100_000 + place], [f"other@{place}"]
    found = audit(train, evaluated, split={"by": "time"}, **windowed())
    assert found.errors == {"window-overlap"}
    assert found.only("window-overlap")["count"] == 5  # starts 400 to 404 meet the window of 399 to 404


def test_a_random_split_of_windows_is_an_error(audit):
    rows = without(windows(600), "now", "ahead")
    inside = np.random.default_rng(0).random(len(rows)) < 0.2
    train = [row for row, is_eval in zip(rows, inside, strict=True) if not is_eval]
    evaluated = [row for row, is_eval in zip(rows, inside, strict=True) if is_eval]
    found = audit(train, evaluated, split={"by": "time"}, **windowed())
    assert "window-overlap" in found.errors
    assert found.only("window-overlap")["count"] > 0.95 * len(evaluated)


def test_a_gap_shorter_than_the_horizon_is_a_warning_and_one_as_long_is_none(audit):
    rows = without(windows(600), "now", "ahead")
    for gap, expected in ((0, {"gap-too-small"}), (1, {"gap-too-small"}), (2, set())):
        found = audit(*by_time(rows, 400, gap), split={"by": "time"}, **windowed())
        assert (found.errors, found.warnings) == (set(), expected), gap


def test_a_window_that_holds_the_step_of_a_training_label_is_an_error(audit):
    rows = without(windows(600), "now", "ahead")
    train = rows[:300]  # the last label's step is 299 + 5 + 2 = 306
    found = audit(train, rows[305:], split={"by": "time"}, **windowed())
    assert found.errors == {"gap-too-small"}
    assert found.only("gap-too-small")["examples"] == ["series@305", "series@306"]


def test_training_on_the_later_half_is_not_chronological(audit):
    rows = without(windows(600), "now", "ahead")
    found = audit(rows[300:], rows[:200], split={"by": "time"}, **windowed())
    assert found.errors == {"split-not-chronological"}


def moments(rows, begin):
    for place, row in enumerate(rows):
        row["step_time"] = [begin + 100 * place + step for step in range(8)]
    return rows


def test_whole_sequences_are_held_to_the_promise_of_a_split_by_time(audit):
    train, evaluated = splits()
    moments(train, 0), moments(evaluated, 11_500)
    by = {"split": {"by": "time"}, "data": {"time": "t"}}
    found = audit(train, evaluated, **by)
    assert found.errors == {"split-not-chronological"}
    assert found.only("split-not-chronological")["count"] == 5  # training ends at 11,907
    assert audit(train, evaluated, split={"by": "sequence"}).warnings == {"split-not-chronological"}
    assert audit(train, moments(evaluated, 12_000), **by).findings == []


def test_times_counted_from_each_sequences_beginning_say_nothing_of_the_split(audit):
    assert audit(*splits(), split={"by": "sequence"}).findings == []


def test_steps_after_the_label_was_known_and_labels_known_too_late(audit):
    train, evaluated = splits()
    moments(train, 0), moments(evaluated, 20_000)
    for row in (*train, *evaluated):
        row["label_time"] = [row["step_time"][-1] + 10]
    by = {"split": {"by": "time"}, "data": {"time": "t", "label_time": "l"}}
    assert audit(train, evaluated, **by).findings == []
    change(train, 3, label_time=[train[3]["step_time"][5]])
    change(train, 4, label_time=[20_001])
    found = audit(train, evaluated, **by)
    assert found.only("feature-after-label")["examples"] == ["s3"]
    assert found.only("gap-too-small")["examples"] == ["s4"]
    assert found.errors == {"feature-after-label", "gap-too-small"}


def test_labels_known_later_say_nothing_where_time_begins_with_each_sequence(audit):
    train, evaluated = splits()
    for row in (*train, *evaluated):
        row["label_time"] = [100]
    by = {"split": {"by": "order"}, "data": {"time": "t", "label_time": "l"}}
    assert audit(train, evaluated, **by).findings == []


def test_series_in_both_splits(audit):
    rows = [
        {
            **row,
            "series_id": [f"engine {engine}"],
            "sequence_id": [f"engine {engine}@{row['window_start'][0]}"],
        }
        for engine in range(30)
        for row in without(windows(60, seed=engine), "now", "ahead", "step_time")
    ]
    early = [row for row in rows if row["window_start"][0] < 20]
    late = [row for row in rows if row["window_start"][0] >= 40]
    own = {"data": {"sequence_id": "engine", **WINDOWED["data"]}}
    found = audit(early, late, split={"by": "order"}, **own)
    assert (found.errors, found.warnings) == (set(), {"sequence-in-both-splits"})
    assert "of 30 series" in found.only("sequence-in-both-splits")["message"]
    assert audit(early, late, split={"by": "sequence"}, **own).errors == {"sequence-in-both-splits"}


def test_severity_is_what_the_configuration_says(audit):
    train, evaluated = splits()
    change(evaluated, 3, **{name: train[9][name] for name in OWN}, label=train[9]["label"])
    assert audit(train, evaluated).result["verdict"] == "fail"
    as_warning = audit(train, evaluated, audit={"severity": {"duplicate-across-splits": "warning"}})
    assert (as_warning.result["verdict"], as_warning.warnings) == ("pass", {"duplicate-across-splits"})
    off = audit(train, evaluated, audit={"severity": {"duplicate-across-splits": "off"}})
    assert off.findings == []
    assert "duplicate-across-splits" not in off.result["checks_run"]
    assert off.result["checks_not_run"]["duplicate-across-splits"] == "switched off"


def test_findings_are_the_same_however_the_records_are_divided_into_files(audit):
    train, evaluated = splits()
    change(evaluated, 3, **{name: train[9][name] for name in OWN})
    change(train, 5, f1=[1.0] * 7)
    for row in (*train, *evaluated):
        row["copy"] = [float(row["label"] == ["p"])] * 8
    whole = audit(train, evaluated).findings
    assert {one["check"] for one in whole} >= {
        "duplicate-across-splits",
        "length-mismatch",
        "label-as-feature",
    }
    assert audit(train, evaluated, files=5).findings == whole


def test_the_artifact_is_read_by_tfdv(audit):
    train, evaluated = splits()
    change(evaluated, 3, **{name: train[9][name] for name in OWN})
    drop(evaluated, 4, "f1")
    found = audit(train, evaluated)
    stored = read_anomalies(str(found.folder), ["train", "eval"])
    assert dict(stored["train"].anomaly_info) == {}
    shown = stored["eval"].anomaly_info
    assert set(shown) == {"duplicate-across-splits", "f1"}
    assert shown["f1"].severity == anomalies_pb2.AnomalyInfo.ERROR
    table = tfdv.utils.display_util.get_anomalies_dataframe(stored["eval"])
    assert dict(table["Anomaly short description"]) == {
        "'duplicate-across-splits'": "duplicate-across-splits", "'f1'": "missing-feature",
    }  # fmt: skip
    assert read_findings(str(found.folder)) == found.result


# A hostile artifact: findings, never a crash.


def test_records_that_are_no_example_are_counted_and_the_rest_is_audited(audit):
    train, evaluated = splits()
    records = [example(row) for row in train]
    records[5], records[70] = b"\xff\xff no example", b"\x0a\xff"
    change(evaluated, 3, **{name: train[9][name] for name in OWN})
    found = audit(records, evaluated, against=schema_of(train))
    assert found.errors == {"unreadable-record", "duplicate-across-splits"}
    assert found.only("unreadable-record")["count"] == 2
    assert found.only("unreadable-record")["examples"][0] == "data_tfrecord-00000-of-00001.gz, record 6"


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "text"])
def test_a_damaged_file_is_a_finding_and_what_stands_before_it_is_audited(
    audit, tmp_path, monkeypatch, damage
):
    train, evaluated = splits()
    change(train, 1, f1=[1.0] * 7)

    def plant(folder):
        path = next(iter(folder.glob("Split-train/*")))
        data = bytearray(path.read_bytes())
        if damage == "cut":
            data = data[: len(data) * 2 // 3]
        elif damage == "flipped":
            data[len(data) * 2 // 3] ^= 0xFF
        else:
            data = bytearray(b"" if damage == "empty" else b"id,label\n1,p\n")
        path.write_bytes(data)

    found = audit_of(audit, train, evaluated, plant, monkeypatch)
    if damage == "empty":  # an empty file is one without records
        assert found.errors == {"split-too-small"}
        return
    assert "unreadable-record" in found.errors
    assert re.search(
        r"data_tfrecord-00000-of-00001.gz, after [\d,]+ records", found.only("unreadable-record")["message"]
    )
    assert ("length-mismatch" in found.errors) == (damage == "cut")


def audit_of(audit, train, evaluated, plant, monkeypatch):
    """Audits splits whose files are changed after they were written."""
    from components.auditor import component

    look = component.sources

    def damaged(examples, names):
        plant(Path(examples))
        return look(examples, names)

    monkeypatch.setattr(component, "sources", damaged)
    return audit(train, evaluated)


def test_a_split_of_another_type_a_huge_text_and_features_in_one_split_only(audit):
    train, evaluated = splits()
    for row in evaluated:
        row["f1"] = ["x"] * 8
        row["late"] = [1.0] * 8
    change(train, 3, note=["é" * 5_000_000])
    evaluated = without(evaluated, "f2")
    found = audit(train, evaluated, against=schema_of(some(1)))
    assert found.errors == {"wrong-type", "unexpected-feature", "missing-feature"}
    assert (
        found.only("wrong-type")["message"] == "expected float32, got bytes in 40 of 40 (100.0 %) sequences"
    )
    assert {one["feature"] for one in found.findings if one["check"] == "unexpected-feature"} == {
        "late",
        "note",
    }
    assert found.only("missing-feature")["feature"] == "f2"


def test_nothing_but_garbage_or_nothing_at_all(audit):
    schema = schema_of(some(1))
    found = audit([b"", b"x", b"\x00" * 50], [], against=schema)
    assert "unreadable-record" in found.errors
    assert audit([], [], against=schema).errors == {"split-too-small"}
    assert audit([], some(40), against=schema).errors == {"split-too-small"}
    assert "missing-feature" in audit([b""] * 50, [b""] * 40, against=schema).errors
    assert audit(some(50), some(40, first=50), against=schema_pb2.Schema()).errors == {"unexpected-feature"}


def test_ids_and_labels_of_any_kind(audit):
    train, evaluated = splits()
    for place, row in enumerate(train):
        row["sequence_id"] = [b"\xff\xfe%d" % place]
        row["label"] = [int(place % 2)]
    for place, row in enumerate(evaluated):
        row["sequence_id"] = [f"{place}<script>"]
        row["label"] = [place % 2]
    drop(train, 7, "sequence_id")
    found = audit(train, evaluated)
    assert found.errors == {"missing-feature"}
    for row in (*train, *evaluated):
        row["label"] = [float(np.random.default_rng(row["label"][0]).normal())]
    assert "crash" not in audit(train, evaluated, task="regression").errors


WRONG_KINDS = {
    "step_time as numbers": ("step_time", [float("nan")] + [1.0] * 7),
    "step_time as text": ("step_time", ["now"] * 8),
    "label_time as text": ("label_time", ["soon"]),
    "sequence_id as a number": ("sequence_id", [12345]),
    "sequence_length as text": ("sequence_length", ["8"]),
}


@pytest.mark.parametrize("kind", WRONG_KINDS)
def test_bookkeeping_of_another_type_is_a_finding(audit, kind):
    name, values = WRONG_KINDS[kind]
    train, evaluated = splits()
    for row in (*train, *evaluated):
        row[name] = values
    found = audit(train, evaluated)
    assert {one["feature"] for one in found.findings if one["check"] == "wrong-type"} == {name}


@pytest.mark.parametrize("label", ["text", b"\xff\xfe"])
def test_a_label_that_should_be_a_number_and_is_none(audit, label):
    train, evaluated = splits()
    for row in (*train, *evaluated):
        row["label"] = [label]
    found = audit(train, evaluated, task="regression")
    assert {one["feature"] for one in found.findings if one["check"] == "wrong-type"} == {"label"}


def test_extreme_numbers_and_ids_are_audited(audit):
    train, evaluated = splits()
    for place, row in enumerate((*train, *evaluated)):
        row["f1"] = [3e38, -3e38, *row["f1"][2:]]
        row["big"] = [2**62, -(2**62), 2**53 + place % 2, *[1_700_000_000_000_000 + place] * 5]
        row["sequence_id"] = [f"s{'9' * 30}{place}" if place % 2 else f"{place}-inf"]
    change(train, 3, f1=[float("inf")] * 8)
    for task in ("multiclass", "regression"):
        if task == "regression":
            for place, row in enumerate((*train, *evaluated)):
                row["label"] = [1e30 * (place % 7)]
        found = audit(train, evaluated, task=task, data={"sequence_id": None})
        assert found.errors == {"non-finite"}


def test_a_folder_among_the_files_and_a_file_that_begins_like_gzip(audit, monkeypatch):
    train, evaluated = splits()

    def plant(examples):
        folder = examples / "Split-train"
        (folder / "aside").mkdir()
        (folder / "zzz").write_bytes(b"\x1f\x8b\x00" + b"no gzip " * 50)

    found = audit_of(audit, train, evaluated, plant, monkeypatch)
    assert found.errors == {"unreadable-record"}
    assert found.only("unreadable-record")["message"].startswith("a file is damaged: zzz, after 0 records: ")
    assert "function_node" not in found.only("unreadable-record")["message"]


def test_a_task_without_labels_runs_only_what_needs_none(audit):
    rows = without(windows(600), "now", "ahead", "label")
    found = audit(*by_time(rows, 400), task="generation", split={"by": "order"}, **windowed())
    assert found.findings == []
    assert "label-as-feature" not in found.result["checks_run"]
    assert found.result["checks_not_run"]["label-as-feature"] == "the task has no label"


def test_every_check_of_the_design_is_there_and_documented():
    shape = [
        "missing-feature", "unexpected-feature", "wrong-type", "length-mismatch", "empty-sequence",
        "all-padding", "interior-padding", "too-long", "non-finite", "label-missing",
        "label-domain", "token-out-of-range", "time-not-increasing", "duplicate-timestamp",
        "constant-feature", "split-too-small", "schema-anomaly",
    ]  # fmt: skip
    leakage = [
        "sequence-in-both-splits", "duplicate-across-splits", "near-duplicate",
        "duplicate-within-split", "conflicting-labels", "window-overlap", "split-not-chronological",
        "gap-too-small", "feature-after-label", "label-as-feature", "future-as-feature",
        "id-predicts-label", "order-predicts-label", "length-predicts-label",
        "missingness-predicts-label", "split-drift", "label-drift",
    ]  # fmt: skip
    assert {name for name, check in CHECKS.items() if not check.leakage} == {*shape, "unreadable-record"}
    assert [name for name, check in CHECKS.items() if check.leakage] == leakage
    page = (ROOT / "docs" / "checks.md").read_text(encoding="utf-8")
    for name in CHECKS:
        assert f"| `{name}` |" in page, name


def test_the_gate_refuses_with_every_error(audit):
    train, evaluated = splits()
    change(evaluated, 3, sequence_id=["s7"])
    change(train, 3, f1=[1.0] * 7)
    found = audit(train, evaluated)
    call = DataGate.EXECUTOR_SPEC.executor_class._FUNCTION
    with pytest.raises(DataRefused) as caught:
        call(findings=type("Artifact", (), {"uri": str(found.folder)})())
    assert str(caught.value).startswith("the data has 2 errors")
    assert "length-mismatch (train): 1 of 120" in str(caught.value)
    assert "sequence-in-both-splits (eval): 1 of 40" in str(caught.value)
    clean = audit(*splits())
    assert call(findings=type("Artifact", (), {"uri": str(clean.folder)})()) is None
