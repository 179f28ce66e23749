"""The command line. The public address of `structgen.doors.cli`, which the command `structgen` calls."""

from structgen.doors.cli import main as main

__path__: list[str] = []  # so that the finder is asked about modules that lay below this name
