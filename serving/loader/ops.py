"""The ops that a version of TensorFlow has; a list of them is what `components/servability/ops` holds.

python -m serving.loader.ops > components/servability/ops/2.16.txt
"""

import ctypes
import sys

from serving.loader.c_api import api
from serving.loader.messages import message


def version() -> str:
    """Version of the library, such as `2.16.2`."""
    return str(api().TF_Version().decode())


def known_ops() -> dict[str, list[str]]:
    """The ops of the library, those of Python's own excluded, with their attributes."""
    held = api().TF_GetAllOpList()
    try:
        found = message("OpList").FromString(ctypes.string_at(held.contents.data, held.contents.length))
    finally:
        api().TF_DeleteBuffer(held)
    return {one.name: sorted(attribute.name for attribute in one.attr) for one in found.op}


def main() -> None:
    """Prints a line for each op: its name and its attributes."""
    lines = [" ".join([name, *attributes]) for name, attributes in sorted(known_ops().items())]
    sys.stdout.write("\n".join([f"# ops of TensorFlow {version()}", *lines, ""]))


if __name__ == "__main__":
    main()
