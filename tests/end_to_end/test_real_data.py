"""Real data sets through every stage."""

import pytest

from tests.end_to_end.conftest import make_home

pytestmark = pytest.mark.slow


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
        "--set=gate={thresholds: [{metric: recall, min: 0.5}], beat_trivial_by: null}",  # two epochs
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
