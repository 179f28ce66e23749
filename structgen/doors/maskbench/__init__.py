"""JSONSchemaBench replayed: every instance token by token, for our engine and for its peers.

An *instance* is a JSON text, valid or not; a *case* is a schema with its instances. To *replay* an instance
is to ask an engine for the mask before each token of it, and then to give the engine the token. A *verdict*
is the outcome, e.g. "right".

What comes in: a folder of schemas with instances, and the names of engines. What goes out: for each schema
and engine a verdict and times, and a report of all. Read it in this order:

1. `readers` makes cases of the files, `vocabularies` the tokenizer.
2. `engines` describes the calls that an engine has; `ours` is our own engine.
3. `replay` runs one case through one engine and times each call.
4. `runner` gives each engine a process with a time limit, and sends it the cases.
5. `measurements` has the results, which cross the border of processes, and `run_report` the report of them.
"""

from __future__ import annotations
