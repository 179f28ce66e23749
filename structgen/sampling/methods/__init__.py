"""The sampling methods, a file each, with the paper that each is from.

What comes in: a `SamplingRun` (the target, the prefix tree, what the run may cost). What goes out: `Drawn`.
A method is a module with a function `draw(run)`; its name in METHODS is the name of its file. A new method
is a file here and a word in METHODS: `sg.sample`, `structgen generate --method` and the tests of all methods
read METHODS.
"""

from typing import Final

METHODS: Final = ("auto", "cars", "importance", "smc", "awrs", "mcmc", "asap", "rejection", "masked")
"""The names that `sg.sample(method=...)` takes, the default first."""
