"""Monitors: advice on the next identifiers of a text, on top of a grammar.

What comes in: the text so far. What goes out: texts that may follow at a trigger, such as the attributes of
an object behind a dot; the mask of the grammar is narrowed to them.

1. `monitor` is what a monitor is, what it did for a text, and how it is asked in a process of its own.
2. `monitored_text` is a compiled grammar under monitors: matchers, batches, drafts and budgets use it as any
   other.
3. `python_code` has the monitors of Python, on jedi.

Public: `Monitor`, `MonitorUse`; `python_attributes`, `python_names`, `python_arguments`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from structgen.system.lazy_names import lazy_names

if TYPE_CHECKING:
    from structgen.monitors.monitor import Monitor as Monitor
    from structgen.monitors.monitor import MonitorUse as MonitorUse
    from structgen.monitors.python_code import python_arguments as python_arguments
    from structgen.monitors.python_code import python_attributes as python_attributes
    from structgen.monitors.python_code import python_names as python_names

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "structgen.monitors.monitor": "Monitor MonitorUse",
        "structgen.monitors.python_code": "python_arguments python_attributes python_names",
    },
)
