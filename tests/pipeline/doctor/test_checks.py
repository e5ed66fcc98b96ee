"""What each lack is called, what it rules out, and what mends it."""

from pathlib import Path

import pytest

from pipeline.doctor import checks
from pipeline.doctor.child import Answer
from pipeline.doctor.machine import Folder, Memory
from pipeline.doctor.stack import Difference, Platform

GB = 10**9
GLIBC_236 = (2, 36)


def test_a_python_of_a_stack_that_runs_here_is_fine():
    found = checks.python(Platform("Linux", "x86_64", GLIBC_236, (3, 10)), "make")
    assert (found.state, found.stops_run) == ("ok", False)
    assert found.found == "Python 3.10 on Linux x86_64, glibc 2.36: TFX 1.16"


def test_a_python_without_docstrings_stops_a_run():
    found = checks.python(Platform("Linux", "x86_64", GLIBC_236, (3, 10)), "make", optimized=2)
    assert found.stops_run
    assert found.found.endswith("it strips docstrings, and TensorFlow reads its own")
    assert found.remedy == "unset PYTHONOPTIMIZE, and call python without -OO"


def test_a_python_whose_stack_needs_a_newer_glibc_says_so():
    found = checks.python(Platform("Linux", "x86_64", GLIBC_236, (3, 12)), "make clean setup")
    assert found.stops_run
    assert found.found == (
        "Python 3.12 on Linux x86_64, glibc 2.36; TFX 1.21, which this Python needs, needs glibc 2.39; "
        "expected Python 3.10"
    )
    assert found.remedy == "make clean setup, which finds or installs it"


def test_a_python_of_no_stack_is_told_all_that_would_do():
    found = checks.python(Platform("Linux", "x86_64", (2, 41), (3, 14)), "make")
    assert found.found.endswith("expected Python 3.11 or 3.12 or 3.13 or 3.10")


@pytest.mark.parametrize(
    ("here", "libc"),
    [
        (("Linux", "x86_64", None), "no glibc"),
        (("Darwin", "x86_64", None), ""),
        (("Linux", "ppc", GLIBC_236), ""),
    ],
)
def test_a_machine_without_any_stack_is_told_what_machines_have_one(here, libc):
    found = checks.python(Platform(*here, (3, 10)), "make")
    assert found.stops_run
    assert libc in found.found
    assert "no TFX runs there" in found.found
    assert "glibc 2.39 or newer (Debian 13, Ubuntu 24.04), or macOS on Apple silicon" in found.remedy


def test_packages_that_are_missing_or_of_another_version_are_named():
    different = [Difference("kfp", "2.5.0", None), Difference("keras", "3.12.0", "3.9.0")]
    found = checks.packages("requirements/tfx-1.16.txt", different, "install.sh")
    assert (found.state, found.stops_run) == ("warning", False)  # whether it runs is what importing shows
    assert found.found == "missing: kfp; other versions: keras 3.9.0, pinned 3.12.0"
    assert found.remedy == "install.sh"


def test_of_many_missing_packages_some_are_named_and_all_are_counted():
    different = [Difference(f"p{at}", "1", None) for at in range(300)]
    found = checks.packages("r.txt", different, "install.sh").found
    assert found == "missing: p0, p1, p2, p3, p4 and 295 more"


def test_without_pins_beside_the_code_nothing_is_claimed():
    assert "not compared" in checks.packages("r.txt", None, "").found
    assert checks.packages("r.txt", [], "").state == "ok"


def test_bytecode_that_is_never_written_is_a_warning():
    compiled = {"tfx": True, "keras": False}
    found = checks.bytecode(compiled, written=False, site="/site")
    assert found.state == "warning"
    assert found.found.startswith("keras without bytecode")
    assert found.remedy == "env -u PYTHONDONTWRITEBYTECODE python -m compileall -q -j 0 /site"
    assert checks.bytecode(compiled, written=True, site="").state == "ok"
    assert checks.bytecode({"tfx": True}, written=False, site="").state == "ok"


def test_a_machine_that_is_too_small_stops_a_run():
    found = checks.memory(Memory(GB, GB, "the machine"))
    assert found.stops_run
    assert found.remedy == "use a larger machine"
    assert found.found == "1.0 GB free of 1.0 GB (the machine); the demo takes 1.1 GB"


def test_a_container_that_is_too_small_is_told_how_to_get_more():
    found = checks.memory(Memory(GB, GB // 2, "the container's limit"))
    assert found.stops_run
    assert "docker run --memory 4g" in found.remedy


def test_memory_that_others_hold_stops_a_run():
    found = checks.memory(Memory(8 * GB, GB // 2, "the machine"))
    assert found.stops_run
    assert found.remedy == "end what holds it: ps aux --sort=-rss | head"


def test_enough_memory_is_fine():
    assert checks.memory(Memory(8 * GB, 4 * GB, "the machine")).state == "ok"


def test_a_folder_that_cannot_be_written_stops_a_run():
    found = checks.folder("run.root", "/r/x", Folder(Path("/r"), 0, "Read-only file system"), 0, "--set …")
    assert found.stops_run
    assert found.found == "/r cannot be written: Read-only file system"
    assert found.remedy == "--set …"


@pytest.mark.parametrize(
    ("tried", "owned"), [("/", "/srv/runs"), ("/srv/runs", "/srv/runs"), ("/srv/runs/demo", "/srv/runs/demo")]
)
def test_a_folder_of_another_user_is_made_yours_and_no_folder_above_it(tried, owned):
    found = checks.folder("run.root", "/srv/runs", Folder(Path(tried), 0, "Permission denied"), 0, "--set …")
    assert found.remedy == f"sudo install -d -o $USER {owned}, or --set …"


def test_a_folder_without_room_stops_a_run():
    found = checks.folder("push.to", "/r", Folder(Path("/r"), 3 * 10**6), 10**7, "--set …")
    assert found.stops_run
    assert found.found == "/r: written; 3.0 MB free, expected 10.0 MB"
    assert found.remedy == "make room (du -xh /r | sort -h), or --set …"


def test_a_folder_that_will_be_made_says_where_that_was_tried():
    found = checks.folder("push.to", "/r/x/y", Folder(Path("/r"), 3 * GB), 0, "")
    assert (found.state, found.found) == ("ok", "/r/x/y: /r was written; 3.0 GB free")


def test_a_place_in_an_object_store_is_judged_by_what_writing_raised():
    assert checks.remote("push.to", "gs://b/m", "").state == "ok"
    refused = checks.remote("push.to", "gs://b/m", "403 Forbidden")
    assert refused.stops_run
    assert refused.found == "gs://b/m cannot be written: 403 Forbidden"
    assert checks.remote("push.to", "gs://b/m", None).state == "warning"


def test_what_is_wrong_with_a_configuration_is_the_configurations_fault():
    found = checks.configuration("c.yaml", Answer({"problems": ["task: required, and missing", "x: y"]}))
    assert (found.stops_run, found.exit_code) == (True, 2)
    assert found.found == "task: required, and missing; x: y"
    assert found.remedy == "correct c.yaml"


def test_a_configuration_that_the_environment_cannot_read_is_the_environments_fault():
    died = "ended with status 1: ModuleNotFoundError: No module named 'pydantic'"
    found = checks.configuration("c.yaml", Answer(died=died))
    assert (found.stops_run, found.exit_code) == (True, 1)
    assert "No module named 'pydantic'" in found.found


def test_sources_that_cannot_be_read_stop_a_run():
    found = checks.sources(
        {"source_problems": ["no file matches x.csv"], "source_bytes": 0}, "sluice check c"
    )
    assert (found.stops_run, found.exit_code, found.found) == (True, 2, "no file matches x.csv")


def test_a_database_that_does_not_take_it_stops_a_run():
    found = checks.metadata(["run.metadata: no MySQL server answers at db:3306 (refused); start it"])
    assert (found.stops_run, found.name) == (True, "run.metadata")
    assert found.found == "no MySQL server answers at db:3306 (refused); start it"
    assert checks.metadata([]).state == "ok"


@pytest.mark.parametrize(
    ("said", "found", "remedy"),
    [
        (None, "not installed", "apt-get install docker.io (Debian), or install Docker Desktop"),
        ((1, "Server:\nCannot connect to it"), "no engine answers: Cannot connect to it",
         "sudo systemctl start docker"),
        ((1, "permission denied while trying to connect"), "its engine may not be used by you",
         "sudo usermod -aG docker $USER, and log in again"),
        ((1, ""), "no engine answers: it said nothing", "sudo systemctl start docker"),
    ],
)  # fmt: skip
def test_without_docker_a_run_works_unless_it_is_configured(said, found, remedy):
    optional, needed = (checks.docker(said, needed=needed) for needed in (False, True))
    assert (optional.state, optional.stops_run, needed.stops_run) == ("lack", False, True)
    assert (optional.found, optional.remedy) == (found, remedy)
    assert optional.consequence == "TensorFlow Serving itself in sluice serve, servability.tf_serving_image"
    assert needed.consequence.startswith("sluice run with this configuration; ")


def test_a_docker_engine_that_answers_is_fine():
    assert checks.docker((0, "27.3.1"), needed=True).found == "engine 27.3.1"


def test_a_gpu_that_tensorflow_cannot_use_is_a_warning():
    found = checks.gpu(2, 0, "pip install …")
    assert (found.state, found.remedy) == ("warning", "pip install …")
    assert found.found == "2 in this machine, and TensorFlow can use none"


@pytest.mark.parametrize(("visible", "used"), [(0, 0), (2, 2), (0, 1)])
def test_no_gpu_or_one_in_use_is_fine(visible, used):
    assert checks.gpu(visible, used, "").state == "ok"


def test_a_crash_while_importing_stops_a_run():
    found = checks.imports(Answer(died="was ended by SIGSEGV, in keras/x.py, line 2"), "reinstall")
    assert (found.stops_run, found.remedy) == (True, "reinstall")
    assert found.found == "the process that loads TFX was ended by SIGSEGV, in keras/x.py, line 2"


def test_an_illegal_instruction_is_for_want_of_avx():
    remedy = checks.imports(Answer(died="was ended by SIGILL"), "reinstall").remedy
    assert remedy == "use a machine whose CPU has AVX; this one's: grep -c -w avx /proc/cpuinfo"


def test_a_kill_while_importing_is_for_want_of_memory():
    found = checks.imports(Answer(died="was ended by SIGKILL"), "reinstall")
    assert "most likely for want of memory" in found.found
    assert found.remedy == "see memory"


def test_a_module_that_hides_the_stacks_is_a_warning():
    hidden = {"keras": "/home/me/keras.py"}
    found = checks.import_path(hidden, ["", "/opt/lib"])
    assert (found.state, found.found) == ("warning", "keras comes from /home/me/keras.py")
    assert found.remedy == "rename /home/me/keras.py"
    assert checks.import_path(hidden, ["/opt", "/home/me"]).remedy == "take /home/me out of PYTHONPATH"
    assert checks.import_path({}, ["/home/me"]).state == "ok"


def test_a_component_that_is_absent_stops_a_run_where_a_run_needs_it():
    assert checks.components([], "").state == "ok"
    assert checks.components(["Trainer"], "reinstall").stops_run
    optional = checks.components(["InfraValidator"], "reinstall")
    assert (optional.stops_run, optional.consequence) == (False, "servability.tf_serving_image")


def test_keras_on_another_backend_or_with_other_numbers_stops_a_run():
    by_variable = checks.keras({"backend": "jax", "floatx": "float32"}, {"KERAS_BACKEND": "jax"})
    assert by_variable.stops_run
    assert (by_variable.found, by_variable.remedy) == (
        "backend jax, expected tensorflow",
        "unset KERAS_BACKEND",
    )
    by_file = checks.keras({"backend": "jax", "floatx": "float16"}, {"KERAS_HOME": "/k"})
    assert by_file.found == "backend jax, expected tensorflow; floatx float16, expected float32"
    assert by_file.remedy == "rm /k/keras.json"


def test_a_variable_that_cuts_training_short_is_a_warning():
    settings = {"backend": "tensorflow", "floatx": "float32"}
    found = checks.keras(settings, {"KERAS_MAX_STEPS_PER_EPOCH": "2"})
    assert (found.state, found.found) == ("warning", "KERAS_MAX_STEPS_PER_EPOCH=2")
    assert found.remedy == "unset KERAS_MAX_STEPS_PER_EPOCH"
    assert checks.keras(settings, {}).state == "ok"


def test_without_kfp_nothing_compiles_and_runs_still_work():
    found = checks.kubeflow(there=False, install="install.sh")
    assert (found.state, found.stops_run) == ("lack", False)
    assert (found.consequence, found.remedy) == ("sluice compile", "install.sh")
