"""Monitors: advice on the next identifiers of a text, on top of a grammar.

What comes in: the text so far. What goes out: texts that may follow at a trigger, such as the attributes of
an object behind a dot; the mask of the grammar is narrowed to them.

1. `monitor` is what a monitor is, and what it did for a text. `analysis` asks it in a process of its own,
   with a time limit.
2. `suggestions` reads what a monitor suggests byte by byte, and finds the tokens that spell it.
3. `monitored_text` is a compiled grammar under monitors: matchers, batches, drafts and budgets use it as any
   other.
4. `python_position` tells where in Python code a text ends; `python_code` has the monitors of Python, on
   jedi. `monitor_names` reads `NAME:option=value` of a command line.
"""

from structgen.monitors.python_code import python_arguments, python_attributes, python_names

__all__ = ["python_arguments", "python_attributes", "python_names"]
