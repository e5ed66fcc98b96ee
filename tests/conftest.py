"""What tests share: where the real data sets are, and small builders."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import mariadb

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
_SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """The folder of a real data set; the test is skipped where it is absent, and fails in CI."""

    def find(name: str) -> Path:
        folder = _SHARED_DATA / name
        if not folder.is_dir():
            reason = f"the data set {name} is not beside the checkout, in ../shared/data"
            if os.environ.get("CI") == "true":
                pytest.fail(reason)
            pytest.skip(reason)
        return folder

    return find


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    """Writes a small text file and gives its path."""

    def write_text(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write_text


@pytest.fixture(scope="session")
def mysql() -> Iterator[mariadb.Server]:
    """A MariaDB server; the test is skipped where the program is absent, and fails in CI."""
    if reason := mariadb.missing():
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with mariadb.server() as server:
        yield server
