"""The names of Python's options that commands have too. scripts/call_options.py writes them, of the
dataclasses that declare the options: `structgen --help` has no time to import these."""

from __future__ import annotations

from typing import Final

# the names, by scripts/call_options.py
OF_SAMPLING: Final = (
    "temperature",
    "seed",
    "top_p",
    "top_k",
    "min_p",
    "repetition_penalty",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "min_tokens",
    "strategy",
    "banned",
    "repetition",
)
"""The options of `sg.Sampling`."""
# the names, by scripts/call_options.py
OF_REQUEST: Final = (
    "max_tokens",
    "end_margin",
    "stop",
    "timeout",
    "thinking",
    "speculation",
    "outline",
    "chat",
    "canonical",
    "healing",
    "choices",
    "continue_final_message",
    "stop_tokens",
)
"""The options of `sg.Request`, but for those that say what is asked."""
# the names, by scripts/call_options.py
OF_PAGES: Final = (
    "overlap",
    "merge",
    "least_confidence",
    "grounded",
    "quotes",
    "unverified",
    "at_once",
    "max_requests",
    "formulas",
    "start_over",
    "workers",
)
"""The options of `sg.extract` about documents and pages."""
# the names, by scripts/call_options.py
OF_WRITING: Final = (
    "max_tokens",
    "attempts",
    "outline",
    "chat",
    "timeout",
    "speculation",
    "canonical",
    "healing",
    "wrap",
    "choices",
)
"""The options of `sg.extract` about the writing of answers."""
