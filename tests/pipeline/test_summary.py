"""What a run's files are said to mean, for each task."""

import io

import pytest
from rich.console import Console

from pipeline import record
from pipeline.summary import headline, metrics_table, training_line, why


def printed(*slices: tuple[dict, dict]) -> list[list[str]]:
    evaluation = {
        "slices": [
            {
                "slice": where,
                "examples": 7,
                "metrics": {name: {"value": value} for name, value in metrics.items()},
            }
            for where, metrics in slices
        ]
    }
    console = Console(file=io.StringIO(), width=200)
    console.print(metrics_table(evaluation))
    return [line.split() for line in console.file.getvalue().splitlines()]


OF_CLASSES = ("precision", "recall", "f1", "auc", "pr_auc")
MACRO = {"accuracy": 0.9, **{f"{name}_macro": 0.8 for name in OF_CLASSES}}
OF_B = {f"{name}[b]": 0.6 for name in OF_CLASSES}


@pytest.mark.parametrize(
    ("metrics", "columns"),
    [
        (MACRO | dict.fromkeys(OF_CLASSES, 0.7), ["accuracy", *OF_CLASSES]),
        (MACRO, ["accuracy", "precision", "recall", "f1", "auc"]),
        ({"mse": 4.0, "rmse": 2.0, "mae": 1.0, "r2": 0.5, "bias": 0.0}, ["rmse", "mae", "r2"]),
        ({"log_loss": 1.0, "perplexity": 2.7, "bits_per_token": 1.4, "accuracy": 0.5, "bleu": 9.0},
         ["log_loss", "perplexity", "accuracy", "bleu"]),
        ({"mse": 4.0, "rmse": 2.0, "mae": 1.0}, ["rmse", "mae"]),
    ],
)  # fmt: skip
def test_each_task_has_its_columns(metrics, columns):
    header, overall = printed(({}, metrics))
    assert header == ["slice", "sequences", *columns]
    names = [name if name in metrics else f"{name}_macro" for name in columns]
    assert overall == ["overall", "7", *(f"{metrics[name]:.4f}" for name in names)]


@pytest.mark.parametrize("positive", [{}, dict.fromkeys(OF_CLASSES, 0.7)])
def test_the_row_of_a_class_is_that_class_against_all_others(positive):
    _, _, row = printed(({}, MACRO | OF_B | positive), ({"label": "b"}, MACRO | OF_B | {"accuracy": 0.1}))
    assert row[:4] == ["label=b", "7", "0.1000", "0.6000"]
    assert set(row[4:]) == {"0.6000"}


def test_the_overall_row_is_the_mean_also_where_a_class_is_called_none():
    _, overall = printed(({}, MACRO | {f"{name}[None]": 0.6 for name in OF_CLASSES}))
    assert set(overall[3:]) == {"0.8000"}


def test_a_model_that_is_served_already_is_said_to_be():
    pushed = {"version": "7", "already_served": True}
    told = headline({"status": "pushed", "exit_code": 0, "pushed": pushed})
    assert told == "already served as version 7: the model meets every requirement"


def test_what_was_pushed_before_a_failure_is_not_said_to_be_missing():
    told = headline({"status": "failed", "exit_code": 1, "pushed": {"version": "7"}})
    assert told == "failed after the push: the model is being served"


def a_killed_run(home, *stages: tuple[str, str]) -> list[str]:
    """What `why` says of a run that had these stages, by name and status."""
    folder = record.create(home)
    run = record.read(folder, record.RUN)
    record.write(folder, record.RUN, {**run, "stages": [{"name": n, "status": s} for n, s in stages]})
    first, *lines = why(folder)
    return [first.removeprefix(f"{home.name} {folder.name}: "), *lines]


def test_a_killed_run_says_how_far_it_came_and_how_to_go_on(tmp_path):
    first, finished, go_on = a_killed_run(tmp_path / "a", ("Ingest", "done"), ("Transform", "running"))
    assert (first, finished) == ("killed in Transform", "  finished: Ingest")
    assert "the same command goes on from there" in go_on
    assert a_killed_run(tmp_path / "a", ("Ingest", "done"))[0] == "killed after Ingest"


def test_of_a_run_that_was_killed_while_it_pushed_it_says_where_to_look(tmp_path):
    *_, last = a_killed_run(tmp_path / "a", ("ServabilityGate", "done"), ("Pusher", "running"))
    assert last == "  sluice versions CONFIG says whether its model is being served"


def test_an_undefined_metric_is_a_dash():
    _, row = printed(({}, {"rmse": 0.0, "mae": 0.0, "r2": None}))
    assert row == ["overall", "7", "0.0000", "0.0000", "–"]


def test_training_is_told_by_its_loss_whatever_else_was_measured():
    epochs = [{"loss": 2.0, "val_loss": 1.5, "mae": 1.0}, {"loss": 1.0, "val_loss": 1.75, "mae": 0.5}]
    run = {
        "training": {"parameters": 1234, "epochs": epochs},
        "config": {"model": {"bidirectional": False, "units": [8]}},
    }
    assert training_line(run) == "GRU(8), 1,234 parameters, 2 epochs; kept epoch 1 (validation loss 1.5000)"
