"""The sampling methods, with the paper that each is from.

What comes in: a `SamplingRun` (the target, the prefix tree, the limits). What goes out: `Drawn`. A method is
a row of `walks`, or a module of its name with a function `draw(run)`. To add one, add the row or the file,
and its name to METHODS, which `sg.sample`, `structgen sample` and the tests of all methods read.
"""

from typing import Final

METHODS: Final = ("auto", "raj", "beams", "cars", "importance", "smc", "awrs", "asap", "rejection", "masked")
"""The names that `sg.sample(method=...)` takes, the default first."""
WEIGHTED: Final = ("importance", "smc", "awrs")
"""Those that draw from a target whose checkers weigh texts."""
WITH_INTERVALS: Final = ("auto", "raj", "cars", "importance", "rejection")
"""Those whose draws have intervals beyond the proven bounds."""
OF_PARTICLES: Final = ("smc", "awrs")
"""Those that run particles."""
