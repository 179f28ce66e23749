"""Tests of your own code: `sg.testing`.

Public: `Scripted`, a model that says given texts through the mask; `server`, a server on loopback that does,
with `Failure` for what goes wrong on servers; `ScriptError`, which fails a test whose script does not fit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from structgen.base.system.lazy_names import lazy_names

if TYPE_CHECKING:
    from structgen.doors.testing.failures import Failure as Failure
    from structgen.doors.testing.script_replies import ScriptError as ScriptError
    from structgen.doors.testing.scripted import Scripted as Scripted
    from structgen.doors.testing.stand_in import server as server

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "structgen.doors.testing.failures": "Failure",
        "structgen.doors.testing.script_replies": "ScriptError",
        "structgen.doors.testing.scripted": "Scripted",
        "structgen.doors.testing.stand_in": "server",
    },
)
__path__: list[str] = []  # so that the finder is asked about modules that lay below this name
