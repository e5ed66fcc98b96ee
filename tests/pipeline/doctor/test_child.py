"""A process that crashes, hangs or raises is an answer."""

import sys
from pathlib import Path

import pytest

from pipeline.doctor.child import Answer, ask


@pytest.fixture
def stub(tmp_path, monkeypatch):
    """Writes the module `tried`, on the path of this process alone."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write_module(text: str) -> Path:
        path = tmp_path / "tried.py"
        path.write_text(text)
        return path

    return write_module


def test_a_report_comes_back_whatever_the_libraries_print(stub):
    stub(
        "import os, sys\nprint('chatter')\n"
        "def main(given):\n"
        "    os.write(1, b'from C')\n"
        "    print('more', file=sys.stderr)\n"
        "    return {'given': given, 'path': sys.path}\n"
    )
    answer = ask("tried", ["a", 1], 30)
    assert answer.died == ""
    assert answer.report == {"given": ["a", 1], "path": sys.path}


def test_what_lies_in_wait_at_the_end_of_a_process_is_none_of_the_answer(stub):
    stub("import atexit, os\natexit.register(os.abort)\ndef main(given):\n    return {'fine': True}\n")
    assert ask("tried", None, 30) == Answer({"fine": True})


def test_a_crash_names_signal_and_file(stub):
    path = stub("import os, signal\ndef main(given):\n    os.kill(os.getpid(), signal.SIGILL)\n")
    assert ask("tried", None, 30).died == f"was ended by SIGILL, in {path}, line 3"


def test_a_kill_from_outside_names_the_signal(stub):
    stub("import os, signal\ndef main(given):\n    os.kill(os.getpid(), signal.SIGKILL)\n")
    assert ask("tried", None, 30).died == "was ended by SIGKILL"


def test_a_hang_is_ended_and_names_the_file(stub):
    path = stub(
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
        "time.sleep(60)\n"
    )
    assert ask("tried", None, 1).died == f"had not ended after 1 s, in {path}, line 3"


def test_a_process_that_stops_itself_is_ended(stub, monkeypatch):
    monkeypatch.setattr("pipeline.doctor.child._GRACE_S", 1.0)
    stub("import faulthandler, time\nfaulthandler.cancel_dump_traceback_later()\ntime.sleep(60)\n")
    assert ask("tried", None, 1).died == "had not ended after 1 s"


def test_an_exception_is_its_last_line(stub):
    stub("def main(given):\n    raise OSError('libstdc++.so.6: version `GLIBCXX_3.4.32` not found')\n")
    assert ask("tried", None, 30).died == (
        "ended with status 1: OSError: libstdc++.so.6: version `GLIBCXX_3.4.32` not found"
    )


def test_a_silent_exit_is_said(stub):
    stub("import os\nos._exit(7)\n")
    assert ask("tried", None, 30).died == "ended with status 7: and said nothing"
