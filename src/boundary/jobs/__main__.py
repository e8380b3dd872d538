"""`python -m boundary.jobs` is the command `boundary-jobs`."""

from boundary.jobs.shell.cli import main

main()
