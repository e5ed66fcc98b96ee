"""Versions come and go as with TensorFlow Serving."""

import shutil
import time

import pytest

from serving.held import Held
from serving.loader.errors import ServingError
from serving.version_folders import version_folders, version_number
from serving.versions import Pace, Versions
from tests.serving.conftest import wait_for


class Fake:
    """A model that remembers whether it was closed."""

    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True


class Bench:
    """Versions over empty folders; those in `broken` cannot be loaded."""

    def __init__(self, base, labels=None, retries=0) -> None:
        self.base, self.broken, self.loads, self.models = base, set(), [], {}
        self.seen: list[tuple[int, str]] = []
        self.versions = Versions(
            "m", base, self.load, labels, Pace(poll_s=0.02, retries=retries, retry_s=0.02),
            lambda version, state: self.seen.append((version, state.name)),
        )  # fmt: skip

    def load(self, version, _folder) -> Held:
        self.loads.append(version)
        if version in self.broken:
            raise ServingError(3, f"version {version} is broken")
        self.models[version] = Fake()
        return Held(version, self.models[version])

    def push(self, *names) -> None:
        for name in names:
            (self.base / str(name)).mkdir(parents=True)

    def state(self, version) -> str | None:
        state = self.versions.states().get(version)
        return state and state.name

    def wait(self, version, state="AVAILABLE") -> None:
        wait_for(lambda: self.state(version) == state)

    def newest(self) -> int:
        with self.versions.use() as held:
            return held.version

    def settle(self) -> None:
        time.sleep(0.15)


@pytest.fixture
def bench(tmp_path):
    made = []

    def make(**options) -> Bench:
        made.append(Bench(tmp_path / "m", **options))
        made[-1].versions.start()
        return made[-1]

    yield make
    for one in made:
        one.versions.stop(1)


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("1", 1), ("0", 0), ("007", 7), ("+5", 5), (" 5 ", 5), ("9223372036854775807", 2**63 - 1),
        ("9223372036854775808", None), ("-1", None), ("1.0", None), ("1_0", None), ("", None), ("v1", None),
        (".1", None), ("1.tmp", None), ("٣", None), ("0x1", None),
    ],
)  # fmt: skip
def test_a_version_is_a_name_that_parses_as_a_number(name, number):
    assert version_number(name) == number


def test_a_base_path_that_cannot_be_read_is_not_an_empty_one(tmp_path):
    assert version_folders(tmp_path) == {}
    assert version_folders(tmp_path / "none") is None
    (tmp_path / "3").mkdir()
    (tmp_path / ".4-half").mkdir()
    assert version_folders(tmp_path) == {3: tmp_path / "3"}


def test_a_model_may_come_after_the_server(bench):
    one = bench()
    with pytest.raises(ServingError, match=r"Servable not found for request: Latest\(m\)"):
        one.newest()
    one.push(4)
    one.wait(4)
    assert one.newest() == 4


def test_only_the_newest_is_loaded(bench):
    one = bench()
    one.push(5, 30, 7)
    one.wait(30)
    one.settle()
    assert one.newest() == 30
    assert set(one.loads) <= {5, 7, 30}
    assert [version for version in (5, 7) if one.state(version) == "AVAILABLE"] == []


def test_the_old_version_answers_until_the_new_one_does(bench):
    one = bench()
    one.push(1)
    one.wait(1)
    one.push(2)
    one.wait(1, "END")
    assert one.seen.index((2, "AVAILABLE")) < one.seen.index((1, "UNLOADING"))
    states = [state for version, state in one.seen if version == 2]
    assert states == ["START", "LOADING", "AVAILABLE"]
    assert one.models[1].closed
    with pytest.raises(ServingError, match=r"Specific\(m, 1\)"), one.versions.use(1):
        pass


def test_a_version_is_closed_only_when_nobody_asks_it_any_more(bench):
    one = bench()
    one.push(1)
    one.wait(1)
    with one.versions.use() as held:
        one.push(2)
        one.wait(1, "UNLOADING")
        one.settle()
        assert not one.models[1].closed
        assert held.version == 1
        assert one.newest() == 2
    one.wait(1, "END")
    assert one.models[1].closed


def test_a_broken_version_leaves_the_old_one_and_shows_why(bench):
    one = bench(retries=2)
    one.push(1)
    one.wait(1)
    one.broken.add(2)
    one.push(2)
    one.wait(2, "END")
    assert one.versions.states()[2].message == "version 2 is broken"
    assert one.versions.states()[2].code == 3
    assert one.loads.count(2) == 3
    one.settle()
    assert one.loads.count(2) == 3
    assert (one.newest(), one.state(1)) == (1, "AVAILABLE")
    one.push(3)
    one.wait(3)
    one.wait(1, "END")


def test_a_failure_that_is_no_answer_of_the_loader_is_told_as_well(bench):
    one = bench()
    one.versions._load = lambda *_: 1 / 0
    one.push(1)
    one.wait(1, "END")
    assert "ZeroDivisionError" in one.versions.states()[1].message


def test_a_listener_that_fails_stops_nothing(bench):
    one = bench()
    told = []

    def fail(version, state) -> None:
        told.append(state.name)
        raise BrokenPipeError

    one.versions._on_state = fail
    one.push(1)
    one.wait(1)
    assert told[0] == "START"
    assert one.newest() == 1


def test_what_is_removed_is_unloaded_and_the_one_before_comes_back(bench):
    one = bench()
    one.push(1, 2)
    one.wait(2)
    shutil.rmtree(one.base / "2")
    one.wait(1)
    one.wait(2, "END")
    assert one.newest() == 1
    shutil.rmtree(one.base / "1")
    one.wait(1, "END")
    with pytest.raises(ServingError):
        one.newest()


def test_a_base_path_that_vanishes_changes_nothing(bench):
    one = bench()
    one.push(1)
    one.wait(1)
    shutil.rmtree(one.base)
    one.settle()
    assert one.newest() == 1


def test_a_label_keeps_its_version_beside_the_newest(bench):
    one = bench(labels={"stable": 1, "canary": 9})
    one.push(1)
    one.wait(1)
    one.push(2)
    one.wait(2)
    one.settle()
    with one.versions.use(label="stable") as held:
        assert held.version == 1
    assert one.newest() == 2
    for label in ("canary", "other"):
        with (
            pytest.raises(ServingError, match=f"Unrecognized servable version label: {label}"),
            one.versions.use(label=label),
        ):
            pass


def test_stopping_lets_every_version_go(tmp_path):
    one = Bench(tmp_path / "m")
    one.versions.start()
    one.push(1)
    one.wait(1)
    one.versions.stop(1)
    assert one.models[1].closed
