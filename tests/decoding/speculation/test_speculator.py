"""Drafting pays for itself, whatever the text, the batch and the machine: laws under a clock of our own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from draft_cases import Own, facts, view

from structgen.decoding.speculation.drafts.draft import NO_DRAFT, Draft
from structgen.decoding.speculation.drafts.drafter import DraftContext
from structgen.decoding.speculation.planning.drafting import Drafting
from structgen.decoding.speculation.planning.speculator import Speculator

OVERHEAD = 1.5e-4
SMALL = 4e-4
"""Seconds of a pass of one row of a small model."""
Cost = Callable[[int], float]


def cheap(rows: int) -> float:
    return SMALL * (1.0 + 0.05 * (rows - 1))


def dear(rows: int) -> float:
    """Rows wait for nothing: twice as many take twice as long."""
    return SMALL * rows


@dataclass
class World:
    """A clock that moves when something takes time, and a model that writes the tokens 100, 101, 102, ..."""

    cost: Cost = cheap
    now: float = 0.0
    passes: int = 0
    asked: list[int] = field(default_factory=list)
    """The passes in which a drafter was asked."""
    sizes: list[int] = field(default_factory=list)
    """The nodes of each pass."""

    def clock(self) -> float:
        return self.now


class Guesser(Own):
    """Takes some time, and guesses the next tokens: right ones where `knows` says so."""

    name = "guesser"

    def __init__(self, world: World, seconds: float, knows: Callable[[int], bool], guesses: int = 4) -> None:
        self.world, self.seconds, self.knows, self.guesses = world, seconds, knows, guesses

    def propose(self, view: DraftContext, most: int) -> Draft:
        self.world.now += self.seconds
        self.world.asked.append(self.world.passes)
        at = len(view.tokens)
        tokens = [100 + at + i if self.knows(at + i) else 10**6 for i in range(min(self.guesses, most))]
        return Draft.chain(tokens) if tokens else NO_DRAFT


def written(
    world: World,
    length: int,
    texts: int = 1,
    seconds: float = 4e-5,
    knows: Callable[[int], bool] = lambda _: False,
    guesses: int = 4,
    speculator: Speculator | None = None,
    overhead: float = OVERHEAD,
) -> float:
    """Write texts together as an engine does; return the time that plain decoding takes, over this one."""
    begun = world.now
    plain = length * (overhead + world.cost(texts))
    speculator = speculator or Speculator(overhead)
    drafters = [Guesser(world, seconds, knows, guesses) for _ in range(texts)]
    draftings = [Drafting([one], facts()) for one in drafters]
    tokens: list[list[int]] = [[] for _ in range(texts)]
    while going := [at for at in range(texts) if len(tokens[at]) < length]:
        views, started = [view(None, tokens[at], length - len(tokens[at])) for at in going], world.now
        drafts = [NO_DRAFT] * len(going)
        if speculator.wants_drafts(len(going), "guesser"):
            drafts = speculator.propose_drafts([draftings[at] for at in going], views, [16] * len(going))
        rows = len(going) + sum(map(len, drafts))
        seconds_of_pass = world.cost(rows)
        world.now += overhead + seconds_of_pass
        world.passes += 1
        world.sizes.append(rows - len(going))
        speculator.note_model_time(rows, seconds_of_pass)
        speculator.note_other_time(world.now - started)
        for one, draft in zip(going, drafts, strict=True):
            at = len(tokens[one])
            accepted = draft.accepted(range(100 + at, 100 + min(at + 40, length)))
            taken = list(range(100 + at, 100 + min(at + accepted + 1, length)))
            tokens[one] += taken
            draftings[one].observe_tokens(taken, accepted)
    return plain / (world.now - begun)


@pytest.mark.parametrize("texts", [1, 8, 32])
@pytest.mark.parametrize("guesses", [0, 4])
def test_a_text_that_cannot_be_guessed_is_no_slower(texts: int, guesses: int) -> None:
    world = World()
    assert written(world, 200, texts, guesses=guesses) > 0.98
    assert 0 < len(world.asked) < 40 * texts


@pytest.mark.parametrize("texts", [1, 8, 32])
def test_where_rows_are_dear_drafting_costs_next_to_nothing(texts: int) -> None:
    """Every guess is right, and no row is worth it."""
    world = World(dear)
    assert written(world, 200, texts, knows=lambda _: True) > 0.98
    if texts > 1:  # and the overhead that a draft saves is nothing beside the rows
        world = World(dear)
        assert written(world, 200, texts, knows=lambda _: True, overhead=0.0) > 0.98
        assert sum(size > 0 for size in world.sizes) < 0.05 * len(world.sizes)


def test_new_texts_of_a_loaded_batch_pay_no_new_credit() -> None:
    world = World(dear)
    speculator = Speculator(OVERHEAD)
    written(world, 100, 32, speculator=speculator)
    for _ in range(4):
        assert written(world, 20, 32, speculator=speculator, knows=lambda _: True) > 0.98


@pytest.mark.parametrize(("texts", "least"), [(1, 3.0), (8, 1.7)])
def test_a_text_that_is_known_is_written_in_fewer_passes(texts: int, least: float) -> None:
    assert written(World(), 400, texts, knows=lambda _: True) > least


def test_behind_a_part_that_cannot_be_guessed_drafting_comes_back() -> None:
    world = World()
    ratio = written(world, 1500, knows=lambda at: at >= 600)
    assert ratio > 1.6
    waited = [after - before for before, after in pairwise(world.asked)]
    assert 16 <= max(waited) <= 128


def test_a_machine_whose_rows_have_become_cheap_is_noticed() -> None:
    """At first rows are dear, so none is run; nothing but a trial can show that they are not any more."""
    world = World(dear)
    speculator = Speculator(OVERHEAD)
    written(world, 1500, speculator=speculator, knows=lambda _: True)
    world.cost = cheap
    world.sizes.clear()
    assert written(world, 8000, speculator=speculator, knows=lambda _: True) > 1.7


def test_a_pass_that_loads_code_or_waits_for_another_process_is_not_held_against_drafts() -> None:
    world, slow = World(), {1, 90}

    def sometimes_slow(rows: int) -> float:
        return 0.3 if rows > 1 and len(world.asked) in slow else cheap(rows)

    world.cost = sometimes_slow
    written(world, 600, knows=lambda _: True)
    assert len(world.asked) > 0.7 * world.passes
