"""`python -m pipeline` is `sluice`."""

import sys

try:
    from pipeline.cli import main
except ModuleNotFoundError as error:
    sys.exit(
        f"sluice needs the package {error.name}, which {sys.executable} does not have; "
        "make setup installs in .venv all that is needed"
    )

main()
