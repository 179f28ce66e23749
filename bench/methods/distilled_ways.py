"""Ways of drafting for SmolLM2 by a small model: before distillation, after it, and trained online.

    python bench/methods/distilled_ways.py [FOLDER]     collects texts, trains, writes the two networks

15 CPU minutes: 33,000 tokens of SmolLM2 at 10 ms, and two trainings. FOLDER is `distilled-drafts` in the
cache folder of structgen if none is named.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parents[1]))

import structgen as sg
from methods.distillation import trained
from methods.distillation_texts import Example, asked, collected
from methods.distilled_draft import DistilledDraft
from methods.draft_network import DraftNetwork
from methods.online_draft import Adapters, OnlineDraft
from structgen.base.system.cache import cache_folder

FILES: Final = {"likelihood": "likelihood.npz", "distilled": "distilled.npz"}
"""The network before distillation and the one after it."""
_AT_ONCE: Final = 12
"""Prompts that are written side by side."""


def networks(
    engine: sg.Engine, folder: Path, say: Callable[[str], object] = print
) -> dict[str, DraftNetwork]:
    """Return both networks for an engine, of the files of a folder; those that it lacks are trained first.
    Raises StructgenError for a file that is damaged or for another tokenizer."""
    missing = [name for name, file in FILES.items() if not (folder / file).exists()]
    examples: list[Example] = []
    prompts = asked() if missing else []
    for at in range(0, len(prompts), _AT_ONCE):
        examples += collected(engine, prompts[at : at + _AT_ONCE], seed=7 + at)
        say(f"{sum(len(one.tokens) for one in examples)} tokens of {len(examples)} texts")
    for name in missing:
        network, _ = trained(examples, is_distilled=name == "distilled", say=say)
        network.save(folder / FILES[name], engine.tokenizer)
        say(f"{folder / FILES[name]}: {network.weights} weights")
    return {name: DraftNetwork.load(folder / file, engine.tokenizer) for name, file in FILES.items()}


def ways(engine: sg.Engine, before: Sequence[str] = (), folder: Path | None = None) -> dict[str, Any]:
    """Return ways of drafting by name, alone or behind the drafters `before`. Each has an adapter of its own,
    which has learnt nothing yet."""
    made = networks(engine, folder or cache_folder() / "distilled-drafts")
    adapters = Adapters(made["distilled"])
    methods: dict[str, Callable[[], Any]] = {
        "draft before distillation": lambda: DistilledDraft(made["likelihood"]),
        "DistillSpec": lambda: DistilledDraft(made["distilled"]),
        "DistillSpec, online (OSD)": lambda: OnlineDraft(adapters),
    }
    named = "default + " if before else ""
    return {f"{named}{name}": sg.Speculation(drafters=(*before, make)) for name, make in methods.items()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=cache_folder() / "distilled-drafts")
    wanted = parser.parse_args().folder
    from speculation_texts import smollm2

    for file in FILES.values():
        (wanted / file).unlink(missing_ok=True)
    networks(smollm2(), wanted)
