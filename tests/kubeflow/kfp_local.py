"""Runs a specification in kfp's own local engine, in an environment that has kfp 2.17 and nothing of ours.

`python kfp_local.py SPECIFICATION ROOT`; the `python` on PATH is that of the steps. The exit status is 1
where one failed. kfp runs containers in Docker only; here each is a process, as it runs Python components.
"""

import sys

from kfp import components, local
from kfp.local.subprocess_task_handler import SubprocessTaskHandler


def main(specification: str, root: str) -> None:
    SubprocessTaskHandler.validate_not_container_component = lambda *_: None
    local.init(runner=local.SubprocessRunner(use_venv=False), pipeline_root=root)
    components.load_component_from_file(specification)()


main(*sys.argv[1:])
