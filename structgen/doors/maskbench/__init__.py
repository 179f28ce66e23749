"""JSONSchemaBench replayed: every instance token by token, for our engine and for its peers.

`runner` gives each engine a process; `readers` reads the cases, `vocabularies` the tokenizer. `engines` says
what an engine is, `ours` is our own; `replay` times one schema. `measurements` are what a run found out,
`run_report` what it amounts to.
"""

from __future__ import annotations
