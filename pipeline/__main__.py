"""`python -m pipeline` is `sluice`."""

from pipeline.cli import main

main()
