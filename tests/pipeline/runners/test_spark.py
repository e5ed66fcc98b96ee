"""What runs on Spark comes to the same as in this process."""

import pytest

from tests.end_to_end.conftest import make_home
from tests.end_to_end.test_runners import assert_same

pytestmark = [pytest.mark.slow, pytest.mark.long]

DEMO = "pipeline/configs/demo.yaml"


def test_the_demo_comes_to_the_same(tmp_path, local_spark):
    home, other = make_home(tmp_path / "home"), make_home(tmp_path / "other")
    for one, where in ((home, ()), (other, ("--", *local_spark))):
        done = one.sluice("run", DEMO, *where)
        assert done.returncode == 0, done.stdout + done.stderr
    assert_same(home, other, "demo")
