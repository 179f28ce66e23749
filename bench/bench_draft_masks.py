"""What do the masks of draft trees cost, beside a loop over their nodes?

    python bench/bench_draft_masks.py [--tokenizer llama3] [--nodes 16] [--repeats 60] [--fresh 24] [--seed 0]

Random trees stand behind random places of one text of each grammar: half of their tokens are the text's own,
the others are allowed tokens drawn at random, one in ten any token. `sg.fill_drafts` is timed beside the loop
that it took the place of (one step and one mask for each node, in Python), in turns, on the same states.
*Known*: states and masks were met before. *New*: each tree is met by both for the first time, each in a
grammar compiled for it, with a mask store of its own, that has read the text up to there. Times are CPU time
in microseconds for each place, a root or a node: of known ones the median over trees of the least over
repeats, of new ones, of which each is timed once, the mean over trees.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable
from statistics import mean, median

from grammar_cases import case
from records import load as load_averages

import structgen as sg
from structgen.errors import LimitError, StructgenError
from structgen.maskbench.vocabularies import load

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 40},
        "kind": {"enum": ["person", "place", "thing"]},
        "day": {"type": "string", "format": "date"},
        "sizes": {"type": "array", "items": {"type": "number"}},
        "parent": {"$ref": "#"},
    },
    "required": ["name", "kind"],
}
DOCUMENT = (
    '{"name": "Ada Lovelace", "kind": "person", "day": "1815-12-10", "sizes": [1, 2.5, -3e4], '
    '"parent": {"name": "Anne Isabella Milbanke", "kind": "person"}}'
)
QUERY = (
    "SELECT name, count(*) FROM people WHERE day > '1815-12-10' AND size < 4.5 GROUP BY name ORDER BY name;"
)
CASES: dict[str, tuple[Callable[[], sg.Grammar], str]] = {
    "JSON schema": (lambda: sg.json_schema(SCHEMA), DOCUMENT),
    "regex": (
        lambda: sg.regex(r"(\d{4}-\d\d-\d\d (INFO|WARN|ERROR) \[[a-z.]{1,30}\] [^\n]{0,80}\n)*"),
        "2024-02-29 INFO [engine.loop] read 512 tokens\n2024-02-29 WARN [masks.store] no room is left\n",
    ),
    "composed": (
        lambda: sg.sequence("<call>", sg.json_schema(SCHEMA), "</call>"),
        f"<call>{DOCUMENT}</call>",
    ),
    "Lark, contextual": (lambda: case("sql").grammar(), QUERY),
    "Lark, characters": (
        lambda: sg.lark(case("arithmetic").path, lexer="characters"),
        "(1 + 2.5) * (7 - 4) / -12 + (3 - 2 * 10)",
    ),
}
Tree = tuple[list[int], list[int]]
Fill = Callable[[list[sg.Matcher], list[Tree], sg.TokenMask], object]


def loop(matchers: list[sg.Matcher], trees: list[Tree], mask: sg.TokenMask) -> None:
    """Fill the masks one node after another."""
    first = 0
    for matcher, (tokens, parents) in zip(matchers, trees, strict=True):
        compiled, states = matcher.compiled, [matcher.state_index]
        for token, parent in zip(tokens, parents, strict=True):
            above, after = states[parent + 1], -1
            if above >= 0:
                try:
                    after = compiled.next_index(above, token)
                except StructgenError:
                    after = -1
            states.append(after)
        for row, state in enumerate(states, first):
            if state < 0:
                mask.array[row] = 0
                continue
            try:
                compiled.fill_index(state, mask, row)
            except (sg.FinishedError, LimitError):
                mask.array[row] = 0
        first += len(states)


def together(matchers: list[sg.Matcher], trees: list[Tree], mask: sg.TokenMask) -> None:
    """Fill them in one call."""
    tokens = [token for tree in trees for token in tree[0]]
    parents = [parent for tree in trees for parent in tree[1]]
    sg.fill_drafts(matchers, tokens, parents, [len(tree[0]) for tree in trees], mask)


def tree_at(at: sg.Matcher, rest: list[int], nodes: int, draw: random.Random) -> Tree:
    """Return a random tree behind a place of a text, whose further tokens are `rest`."""
    compiled = at.compiled
    states: list[sg.State | None] = [at.state]
    places = [0]  # of nodes on the text's own path, how many of `rest` were read; -1 beside it
    tokens: list[int] = []
    parents: list[int] = []
    for _ in range(nodes):
        above = draw.choice((len(states) - 1, draw.randrange(len(states))))
        state, place = states[above], places[above]
        while state is None or state.is_finished:
            above = (above or len(states)) - 1
            state, place = states[above], places[above]
        chance = draw.random()
        token = draw.randrange(compiled.vocab_size)
        if chance < 0.5 and 0 <= place < len(rest):
            token = rest[place]
        elif chance < 0.9:
            token = draw.choice(compiled.allowed(state))
        tokens.append(token)
        parents.append(above - 1)
        states.append(compiled.step(state, token))
        own = 0 <= place < len(rest) and token == rest[place]
        places.append(place + 1 if own else -1)
    return tokens, parents


def spent(fill: Fill, matchers: list[sg.Matcher], trees: list[Tree], mask: sg.TokenMask) -> float:
    """Return the microseconds of a call for each place."""
    began = time.process_time_ns()
    fill(matchers, trees, mask)
    return (time.process_time_ns() - began) / 1e3 / sum(len(tree[0]) + 1 for tree in trees)


def at_places(compiled: sg.CompiledGrammar, text: list[int], places: list[int]) -> list[sg.Matcher]:
    """Return matchers that have read so many tokens of a text, and filled the masks on the way."""
    found = []
    mask = sg.allocate_mask(1, compiled.vocab_size)
    for place in places:
        matcher = sg.Matcher(compiled)
        for token in text[:place]:
            matcher.fill_mask(mask)
            matcher.advance(token)
        found.append(matcher)
    return found


def measured(name: str, tokenizer: sg.Tokenizer, requests: int, options: argparse.Namespace) -> list[float]:
    """Return microseconds a place: known, by the loop and together; new, the same."""
    make, written = CASES[name]
    grammar, text = make(), tokenizer.encode(written.encode())
    draw = random.Random(f"{name} {requests} {options.seed}")
    mask = sg.allocate_mask(requests * (options.nodes + 1), tokenizer.vocab_size)
    known = sg.compile(grammar, tokenizer, store=False)
    times: list[list[float]] = [[], [], [], []]
    for turn in range(options.fresh):
        places = [draw.randrange(len(text)) for _ in range(requests)]
        matchers = at_places(known, text, places)
        trees = [
            tree_at(matcher, text[place:], options.nodes, draw)
            for matcher, place in zip(matchers, places, strict=True)
        ]
        for fill in (loop, together):
            fill(matchers, trees, mask)
        pairs = [
            [spent(fill, matchers, trees, mask) for fill in (loop, together)] for _ in range(options.repeats)
        ]
        times[0].append(min(pair[0] for pair in pairs))
        times[1].append(min(pair[1] for pair in pairs))
        for which, fill in ((2, loop), (3, together))[:: 1 if turn % 2 else -1]:
            fresh = sg.compile(grammar, tokenizer, store=False)
            times[which].append(spent(fill, at_places(fresh, text, places), trees, mask))
    return [median(times[0]), median(times[1]), mean(times[2]), mean(times[3])]


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokenizer", default="llama3")
    parser.add_argument("--nodes", type=int, default=16, help="of each tree")
    parser.add_argument("--repeats", type=int, default=60, help="of each call with known masks")
    parser.add_argument("--fresh", type=int, default=24, help="batches of trees, for each row of the table")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    tokenizer = load(options.tokenizer)
    print(f"us a place; {options.tokenizer}, {options.nodes} nodes a tree, load {load_averages()}")
    print(f"{'grammar':18} requests | known: loop  together  ratio | new: loop  together  ratio")
    for name in CASES:
        for requests in (1, 8):
            one, two, three, four = measured(name, tokenizer, requests, options)
            known, new = (
                f"{one:11.2f} {two:9.2f} {two / one:6.2f}",
                f"{three:9.0f} {four:9.0f} {four / three:6.2f}",
            )
            print(f"{name:18} {requests:8} | {known} | {new}", flush=True)


if __name__ == "__main__":
    main()
