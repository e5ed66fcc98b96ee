"""What alone tells the label: copies are errors, honest signal at most a warning, chance nothing."""

import numpy as np
import pytest

from tests.components.auditor.conftest import some, windows
from tests.components.auditor.test_component import WINDOWED, by_time, splits, windowed, without


def labelled(rows, make, seed=7):
    """Adds a feature made from the class (0 or 1) of each sequence."""
    random = np.random.default_rng(seed)
    for row in rows:
        row["x"] = make(float(row["label"] == ["q"]), random, len(row["f0"]))
    return rows


def constant(value, steps):
    return [float(value)] * steps


def around(label, random, steps):
    """Steps whose mean alone is the label."""
    noise = random.normal(size=steps)
    return (noise - noise.mean() + label).tolist()


def in_a_text(label, random, steps):
    return [f"message {random.integers(10**9)} of {['ham', 'spam'][int(label)]}"] * steps


COPIES = {
    "at every step": lambda label, random, steps: constant(label, steps),
    "at the last step": lambda label, random, steps: [*random.normal(size=steps - 1), label],
    "in the middle": lambda label, random, steps: [
        *random.normal(size=3),
        label,
        *random.normal(size=steps - 4),
    ],
    "in the mean only": around,
    "recoded": lambda label, random, steps: constant(random.choice([1, 2, 3] if label else [4, 5, 6]), steps),
    "with a little noise": lambda label, random, steps: (label + random.normal(size=steps) * 0.01).tolist(),
    "as a category": lambda label, random, steps: [["no", "yes"][int(label)]] * steps,
    "as a word": in_a_text,
}


@pytest.mark.parametrize("how", COPIES)
def test_a_feature_that_reproduces_the_label_is_an_error(audit, how):
    rows = labelled(some(200), COPIES[how])
    rows = [
        {**row, "x": [value if isinstance(value, str) else float(value) for value in row["x"]]}
        for row in rows
    ]
    if how == "as a word":
        rows = [{**row, "x": row["x"][:1]} for row in rows]
    found = audit(rows[:150], rows[150:])
    assert found.errors == {"label-as-feature"}
    finding = found.only("label-as-feature")
    assert (finding["feature"], finding["split"], len(finding["examples"])) == ("x", "train", 20)
    assert "of 150" in finding["message"]


def test_a_copy_with_wrong_labels_among_it_is_a_warning_while_it_is_too_good(audit):
    def copy(flipped):
        def make(label, random, steps):
            return constant(1 - label if random.random() < flipped else label, steps)

        rows = labelled(some(2000, steps=3), make)
        return audit(rows[:1600], rows[1600:])

    assert copy(0.002).errors == {"label-as-feature"}
    assert (copy(0.015).errors, copy(0.015).warnings) == (set(), {"label-as-feature"})
    assert copy(0.1).findings == []


def test_strong_honest_signal_is_at_most_a_warning(audit):
    def far_apart(label, random, steps):
        return (6 * label + random.normal(size=steps)).tolist()  # no overlap of the means

    rows = labelled(some(1000), far_apart)
    found = audit(rows[:800], rows[800:])
    assert (found.errors, found.warnings) == (set(), {"label-as-feature"})

    def apart(label, random, steps):
        return (label + random.normal(size=steps)).tolist()

    rows = labelled(some(1000), apart)
    assert audit(rows[:800], rows[800:]).findings == []


def test_a_number_that_is_the_label_in_other_units_is_an_error(audit):
    def regression(make):
        random = np.random.default_rng(0)
        rows = some(300)
        for row in rows:
            label = float(random.gamma(2.0))
            row["label"], row["x"] = [label], constant(make(label, random), 8)
        return audit(rows[:250], rows[250:], task="regression")

    assert regression(lambda label, random: 32 + 1.8 * label).errors == {"label-as-feature"}
    assert regression(lambda label, random: np.log(label)).errors == {"label-as-feature"}
    close = regression(lambda label, random: label + 0.07 * random.normal())
    assert (close.errors, close.warnings) == (set(), {"label-as-feature"})
    assert regression(lambda label, random: label + random.normal()).findings == []


def test_honest_numbers_that_part_the_classes_are_at_most_a_warning(audit):
    def machine(label, random, steps):
        return (5 + random.normal(size=steps) if label else 500 + 25 * random.normal(size=steps)).tolist()

    def events(label, random, steps):
        return (random.random(steps) < (0.97 if label else 0.03)).astype(float).tolist()

    for make in (machine, events):
        rows = labelled(some(600, steps=10), make)
        found = audit(rows[:450], rows[450:])
        assert (found.errors, found.warnings) == (set(), {"label-as-feature"})


def test_a_copy_that_is_missing_in_half_of_the_sequences_is_an_error(audit):
    def half(label, random, steps):
        return constant(label if random.random() < 0.5 else float("nan"), steps)

    rows = labelled(some(400), half)
    assert audit(rows[:300], rows[300:]).errors == {"label-as-feature"}


@pytest.mark.parametrize("classes", [3, 10])
def test_each_column_of_a_one_hot_label_is_an_error(audit, classes):
    random = np.random.default_rng(0)
    rows = some(600)
    for row in rows:
        label = int(random.integers(classes))
        row["label"] = [str(label)]
        row |= {f"is{c}": constant(c == label, 8) for c in range(classes)}
    found = audit(rows[:450], rows[450:])
    told = {one["feature"] for one in found.findings if one["check"] == "label-as-feature"}
    assert (told, found.errors) == ({f"is{c}" for c in range(classes)}, {"label-as-feature"})


@pytest.mark.parametrize("stride", [1, 5])
def test_a_copy_of_the_label_at_the_same_step_is_an_error(audit, stride):
    rows = without(windows(4000, horizon=0, stride=stride, change=0.02), "ahead")
    settings = {
        "data": {"time": "t", "sequence_id": None, "window": {"length": 6, "horizon": 0, "stride": stride}}
    }
    train, evaluated = by_time(rows, 3200)
    found = audit(train, evaluated, split={"by": "time"}, **settings)
    assert found.errors == {"label-as-feature"}
    assert found.only("label-as-feature")["feature"] == "now"


def test_one_series_whose_label_changes_does_not_hide_a_copy_in_the_others(audit):
    rows = [
        {
            **row, "series_id": [f"r{series}"], "sequence_id": [f"r{series}@{row['window_start'][0]}"],
            "label": [str(int(series % 2 == 0 or (series == 1 and row["window_start"][0] > 20)))],
        }
        for series in range(60)
        for row in without(windows(40, seed=series), "now", "ahead", "step_time")
    ]  # fmt: skip
    for row in rows:
        row["x"] = constant(row["label"] == ["1"], 6)
    cut = len(rows) * 5 // 6
    own = {"data": {"sequence_id": "id", **WINDOWED["data"]}}
    assert audit(rows[:cut], rows[cut:], **own).errors == {"future-as-feature"}


def test_a_growing_number_of_windows_tells_the_future_no_better_than_its_past_does(audit):
    random = np.random.default_rng(0)
    for series in (
        np.cumsum(random.exponential(size=2500)),
        np.cumsum(random.normal(size=2500)),
        np.arange(2500.0),
    ):
        for stride in (1, 12):
            rows = without(windows(2400, horizon=1, stride=stride), "now", "ahead")
            for row in rows:
                start = row["window_start"][0]
                row["label"], row["past"] = [float(series[start + 6])], series[start : start + 6].tolist()
            settings = {"data": {"time": "t", "sequence_id": None, "window": {"length": 6, "stride": stride}}}
            cut = by_time(rows, 1900, gap=2)
            assert audit(*cut, task="regression", split={"by": "time"}, **settings).errors == set()


def test_the_label_of_a_later_step_is_an_error_and_its_own_past_is_not(audit):
    rows = windows(3000, horizon=2, change=0.05)
    past = audit(*by_time(without(rows, "ahead"), 2400, gap=2), split={"by": "time"}, **windowed())
    assert past.findings == []
    future = audit(*by_time(without(rows, "now"), 2400, gap=2), split={"by": "time"}, **windowed())
    assert future.errors == {"future-as-feature"}
    finding = future.only("future-as-feature")
    assert finding["feature"] == "ahead"
    assert finding["message"].startswith("last step, 2 steps before the label's: ")


def test_a_number_of_a_later_step_is_an_error_and_its_own_past_is_not(audit):
    random = np.random.default_rng(0)
    walk = np.cumsum(random.normal(size=3000))
    rows = without(windows(3000, horizon=2), "now", "ahead")
    for place, row in enumerate(rows):
        row["label"] = [float(walk[place + 7])]
        row["past"] = walk[place : place + 6].tolist()
    settings = {"split": {"by": "time"}, "task": "regression", **windowed()}
    kept = {"label-drift", "split-drift"}  # a walk drifts
    assert audit(*by_time(rows, 2400, gap=2), **settings).errors == set()
    for place, row in enumerate(rows):
        row["ahead"] = (walk[place + 2 : place + 8] * 3 + 1).tolist()
    found = audit(*by_time(rows, 2400, gap=2), **settings)
    assert (found.errors, found.warnings - kept) == ({"future-as-feature"}, set())
    assert found.only("future-as-feature")["feature"] == "ahead"


def test_windows_whose_series_has_one_label_count_once(audit):
    rows = [
        {
            **row,
            "series_id": [f"r{series}"],
            "sequence_id": [f"r{series}@{row['window_start'][0]}"],
            "label": [str(series % 2)],
        }
        for series in range(12)
        for row in without(windows(60, seed=series), "now", "ahead", "step_time")
    ]
    for row in rows:
        row["x"] = constant(row["label"] == ["1"], 6)
    train = [row for row in rows if row["series_id"] not in (["r0"], ["r1"])]
    evaluated = [row for row in rows if row["series_id"] in (["r0"], ["r1"])]
    own = {"data": {"sequence_id": "id", **WINDOWED["data"]}}
    assert audit(train, evaluated, **own).errors == set()  # ten series prove nothing


def test_what_should_tell_nothing(audit):
    train, evaluated = splits(400, 100)
    ids = {"p": "normal", "q": "fraud"}
    for place, row in enumerate((*train, *evaluated)):
        row["sequence_id"] = [f"{ids[row['label'][0]]}-{place}"]
    found = audit(train, evaluated)
    assert (found.errors, found.warnings) == (set(), {"id-predicts-label"})
    assert "part 1 of the id" in found.only("id-predicts-label")["message"]

    def blocks(row, place):
        return [str(10_000 + place + 5_000 * (row["label"] == ["q"]))]

    train, evaluated = splits(400, 100)
    for place, row in enumerate((*train, *evaluated)):
        row["sequence_id"] = blocks(row, place)
    assert audit(train, evaluated).warnings == {"id-predicts-label"}


def test_lengths_that_tell_the_label(audit):
    def cut(share):
        rows = some(500, steps=12)
        random = np.random.default_rng(0)
        for row in rows:
            shorter = row["label"] == ["q"] and random.random() < share
            keep = int(random.integers(6, 12)) if shorter else 12
            for name in ("f0", "f1", "f2", "step_time"):
                row[name] = row[name][:keep]
            row["sequence_length"] = [keep]
        return audit(rows[:400], rows[400:])

    assert cut(0.95).warnings == {"length-predicts-label"}
    assert cut(0.3).findings == []


def test_gaps_that_tell_the_label(audit):
    def gaps(of_p, of_q):
        rows = some(500)
        random = np.random.default_rng(0)
        for row in rows:
            if random.random() < {"p": of_p, "q": of_q}[row["label"][0]]:
                row["f1"] = [float("nan")] * 3 + row["f1"][3:]
        return audit(rows[:400], rows[400:])

    assert gaps(0.0, 1.0).errors == {"missingness-predicts-label"}
    partly = gaps(0.1, 0.9)
    assert (partly.errors, partly.warnings) == (set(), {"missingness-predicts-label", "non-finite"})
    assert gaps(0.4, 0.6).warnings == {"non-finite"}


def test_one_class_of_many_that_is_given_away(audit):
    rows = some(900)
    random = np.random.default_rng(0)
    for row in rows:
        label = str(random.integers(0, 9))
        row["label"], row["code"] = [label], constant(2 if label == "3" else random.integers(0, 2), 8)
        if label == "5":
            row["f1"] = [float("nan"), *row["f1"][1:]]
    found = audit(rows[:700], rows[700:])
    assert found.errors == {"missingness-predicts-label"}
    message = found.only("missingness-predicts-label")["message"]
    assert message.endswith("alone tells class '5' from the rest in 700 of 700 (100.0 %) held-out sequences")
    assert found.only("label-as-feature")["severity"] == "warning"
    assert "class '3' from the rest, with 0 errors" in found.only("label-as-feature")["message"]


def test_gaps_that_tell_the_label_of_windows(audit):
    rows = without(windows(4000, change=0.02), "now", "ahead")
    for row in rows:
        row["f1"] = [float("nan")] * 6 if row["label"] == ["1"] else row["f1"]
    found = audit(*by_time(rows, 3200, gap=2), split={"by": "time"}, **windowed())
    assert "missingness-predicts-label" in found.errors


def test_ids_of_series_that_tell_the_label_of_their_windows(audit):
    rows = [
        {
            **row, "series_id": [f"{['ok', 'bad'][series % 2]}{series}"],
            "sequence_id": [f"{series}@{row['window_start'][0]}"], "label": [str(series % 2)],
        }
        for series in range(80)
        for row in without(windows(20, seed=series), "now", "ahead", "step_time")
    ]  # fmt: skip
    cut = len(rows) * 3 // 4
    own = {"data": {"sequence_id": "id", **WINDOWED["data"]}}
    found = audit(rows[:cut], rows[cut:], **own)
    assert (found.errors, found.warnings) == (set(), {"id-predicts-label"})
    assert found.only("id-predicts-label")["feature"] == "series_id"


def test_neighbours_in_time_that_share_their_label(audit):
    random = np.random.default_rng(0)
    rows = some(600)
    for place, row in enumerate(rows):
        row["label"] = [["p", "q"][place // 40 % 2]]
        row["step_time"] = [100 * place + step for step in range(8)]
    inside = random.random(600) < 0.25
    train = [row for row, is_eval in zip(rows, inside, strict=True) if not is_eval]
    evaluated = [row for row, is_eval in zip(rows, inside, strict=True) if is_eval]
    found = audit(train, evaluated, data={"time": "t"})
    assert found.errors == set()
    assert "order-predicts-label" in found.warnings
    random.shuffle(labels := [row["label"] for row in rows])
    for row, label in zip(rows, labels, strict=True):
        row["label"] = label
    assert "order-predicts-label" not in audit(train, evaluated, data={"time": "t"}).warnings


def test_files_sorted_by_class_say_nothing_where_the_split_is_given(audit):
    train, evaluated = splits(200, 60)
    for name, rows in (("A_TRAIN", train), ("A_TEST", evaluated)):
        for place, row in enumerate(rows):
            row["label"] = [["p", "q"][place * 2 // len(rows)]]
            row["sequence_id"] = [f"{name}:{place + 1}"]
    assert audit(train, evaluated, data={"sequence_id": None}).findings == []


@pytest.mark.parametrize("features", [1, 40])
def test_random_labels_raise_no_leakage_error(audit, features):
    for seed in range(8):
        rows = some(80, seed=seed, steps=4, features=features)
        found = audit(rows[:60], rows[60:])
        assert found.errors == set()
        assert found.warnings <= {"split-too-small"}
