"""What a reader of draws must know besides the numbers. One function words it; the warning, the
representation, the tables, the JSON and the page show its sentences."""

from __future__ import annotations

from typing import Any, Final

from structgen.samplers.draws import Draws
from structgen.samplers.estimates import CUT_SHORT

ENDS: Final = {
    "n": "with as many draws as were asked for",
    "budget": "by the budget of model rows",
    "seconds": "by the time limit",
    "standard_error": "as log Z was known well enough",
    "exhausted": "as every valid text is known",
    "interrupted": "by an interrupt",
    "fruitless": "as 10,000 attempts in a row gave no text",
    "limit": "by a limit of the grammar",
}
"""How a run ended, by `Statistics.stopped`."""
OTHER_LAW: Final = "The draws are from another law than the model's own, and no weights mend that."
CUT: Final = "A run that is cut favours short texts."


def caveats(samples: Draws[Any]) -> list[str]:
    """Return the sentences that restrict what draws stand for: there are fewer than were asked for, or a
    limit cut the run, or the draws are biased. The list is empty where none of these holds."""
    made, asked, stopped = len(samples.texts), samples.about.get("n", 0), samples.statistics.stopped
    found = []
    if made < asked:
        end = f"The run gave {made:,} of {asked:,} draws, and ended {ENDS.get(stopped, stopped)}."
        listed = f"The {made:,} draws, of {asked:,} that were asked for, are all valid texts."
        found.append(listed if samples.lists_all else end)
    elif stopped in CUT_SHORT:
        found.append(f"The run ended {ENDS[stopped]}.")
    if stopped in CUT_SHORT:
        found.append(CUT)
    if samples.is_biased:
        found.append(OTHER_LAW)
    return found
