"""Draft trees and automata, kernel against twin. Run by test_kernels.py with TRITON_INTERPRET=1."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from structgen_kernels import KernelError, advance, masked_sample, reference, sample_tree, trees, verify
from torch import Tensor


def random_trees(seed: int) -> tuple[list[int], Tensor, Tensor, Tensor]:
    """Return the counts, tokens, parents and sampled tokens of some trees; most samples are a child's."""
    random = np.random.default_rng(seed)
    counts, tokens, parents, sampled = [], [], [], []
    for _ in range(12):
        count = int(random.integers(1, 20))
        parent = [-1] + [int(random.integers(max(0, i - 4), i)) for i in range(1, count)]
        token = [int(random.integers(0, 6)) for _ in range(count)]
        for node in range(count):
            children = [i for i in range(count) if parent[i] == node]
            guessed = children and random.random() < 0.8
            sampled.append(token[random.choice(children)] if guessed else int(random.integers(-1, 6)))
        counts.append(count)
        tokens += token
        parents += parent
    return counts, torch.tensor(tokens), torch.tensor(parents), torch.tensor(sampled)


def same(ours: reference.Verified, theirs: reference.Verified) -> bool:
    return all(
        torch.equal(getattr(ours, name), getattr(theirs, name)) for name in ("paths", "lengths", "tokens")
    )


@pytest.mark.parametrize("seed", range(3))
def test_kernel_and_twin_accept_the_same_paths(seed: int) -> None:
    counts, tokens, parents, sampled = random_trees(seed)
    starts = torch.tensor([0, *np.cumsum(counts)])
    for dtype in (torch.int32, torch.int64):
        ours = verify(sampled.to(dtype), tokens.to(dtype), parents.to(dtype), counts)
        assert same(ours, reference.verify(sampled, tokens, parents, starts, max(counts)))
    assert int(ours.lengths.max()) > 2


def test_a_path_follows_the_children_that_hold_the_sampled_tokens() -> None:
    tokens, parents = torch.tensor([3, 7, 9, 5, 8, 4, 4]), torch.tensor([-1, 0, 0, 1, 1, -1, 0])
    sampled = torch.tensor([7, 8, 0, 0, 6, 4, -1])
    found = verify(sampled, tokens, parents, [5, 2])
    assert found.paths.tolist() == [[0, 1, 4, -1, -1], [0, 1, -1, -1, -1]]
    assert found.lengths.tolist() == [3, 2] and found.tokens.tolist() == [6, -1]


def test_trees_without_nodes_and_no_trees() -> None:
    none = torch.zeros(0, dtype=torch.int64)
    assert verify(none, none, none, []).lengths.tolist() == []
    one = torch.tensor([4])
    found = verify(one, one, torch.tensor([-1]), [0, 1, 0])
    assert found.lengths.tolist() == [0, 1, 0] and found.tokens.tolist() == [-1, 4, -1]


def test_parents_in_a_circle_end_the_walk() -> None:
    found = verify(torch.tensor([1, 1]), torch.tensor([1, 1]), torch.tensor([1, 0]), [2])
    assert found.paths.tolist() == [[0, 1]]


def test_a_token_that_was_not_possible_is_no_childs_and_a_node_without_a_mask_is_not_accepted() -> None:
    tokens, parents = torch.tensor([4, -1, 7]), torch.tensor([-1, 0, -2])
    for by in (verify, lambda *given: reference.verify(*given[:3], torch.tensor([0, 3]), 3)):
        for sampled in (-1, 7):
            found = by(torch.tensor([sampled, 5, 5]), tokens, parents, [3])
            assert found.paths.tolist() == [[0, -1, -1]] and found.tokens.tolist() == [sampled]


def test_nodes_past_the_bound_and_past_the_last_node_are_not_read() -> None:
    """On a GPU the counts are not checked; the walk stays within the nodes whatever they are."""
    chain, parents = torch.full((6,), 3), torch.arange(-1, 5)
    found = verify(chain, chain, parents, [6], most_nodes=4)
    assert found.paths.tolist() == [[0, 1, 2, 3]] and found.lengths.tolist() == [4]
    for placed in (trees._placed, reference.placed):
        owners, depths = placed(parents, torch.tensor([0, 2, 9]), 5)
        assert owners.tolist() == [0, 0, 1, 1, 1, 1]
        # the nodes of the second tree have parents 1 to 4 there, none of which comes before its child
        assert depths.tolist() == [0, 1, 0, 0, 0, 0]


@pytest.mark.parametrize("seed", range(2))
def test_draws_along_a_tree_are_those_of_plain_decoding(seed: int) -> None:
    """Plain decoding draws one token at a time, from the logits and mask of the text so far; here each node's
    logits are a function of its path. Half of the guesses are what plain decoding writes."""
    random = np.random.default_rng(seed)
    width, texts = 40, 5
    heat = torch.tensor([1.0, 0.7, 0.0, 2.0, 1.0], dtype=torch.float64)
    keys = torch.tensor([reference.sample_key(seed, text) for text in range(texts)])
    places = torch.tensor([0, 3, 2**40, 7, 1])
    store = torch.from_numpy(random.integers(-(2**31), 2**31, (6, 2)).astype(np.int32))

    def read(path: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        of = np.random.default_rng([seed, *path])
        logits = torch.from_numpy(2 * of.normal(size=(1, width))).float()
        return logits, torch.from_numpy(of.integers(-1, 6, (1, 2)))

    def plain(text: int, path: tuple[int, ...]) -> int:
        logits, indices = read(path)
        one, place = slice(text, text + 1), places[text : text + 1] + len(path) - 2
        mask = reference.united(store, indices, None)
        filters = torch.tensor([20]), torch.ones(1), torch.zeros(1)
        return int(reference.masked_sample(logits, mask, None, heat[one], *filters, keys[one], place).tokens)

    counts, tokens, parents, paths, expected = [], [], [], [], []
    for text in range(texts):
        nodes: list[tuple[tuple[int, ...], int]] = [((text, 0), -1)]
        for _ in range(int(random.integers(0, 7))):
            parent = int(random.integers(0, len(nodes)))
            guess = plain(text, nodes[parent][0]) if random.random() < 0.7 else int(random.integers(0, width))
            nodes.append(((*nodes[parent][0], guess), parent))
        counts.append(len(nodes))
        tokens += [path[-1] for path, _ in nodes]
        parents += [parent for _, parent in nodes]
        paths += [path for path, _ in nodes]
        known = {path for path, _ in nodes}
        at = (text, 0)
        while at in known:
            at = (*at, plain(text, at))
        expected.append(at[2:])
    logits, indices = (torch.cat(parts) for parts in zip(*map(read, paths), strict=True))
    found, drawn = sample_tree(
        logits,
        torch.tensor(tokens),
        torch.tensor(parents),
        counts,
        store=store,
        indices=indices,
        temperature=heat,
        seed=keys,
        position=places,
        top_k=20,
    )
    start = 0
    for text in range(texts):
        path = found.paths[text, : found.lengths[text]]
        assert tuple(drawn.tokens[start + path].tolist()) == expected[text]
        assert expected[text][-1] == found.tokens[text]
        start += counts[text]
    assert int(found.lengths.max()) > 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"logits": torch.zeros(2, 9)}, "tokens: They are int64"),
        ({"rows": [0, 1, 2]}, "rows: A tree has a row of logits for each node"),
        ({"temperature": torch.ones(3)}, r"temperature.*float32 \[3\]"),
        ({"seed": "a"}, "seed: It holds no numbers"),
        ({"mask": torch.zeros(2, 1, dtype=torch.int32)}, "mask: It has 2 rows"),
        ({"position": -1}, "position"),
        ({"counts": torch.ones(1, 1, dtype=torch.int32)}, "counts.*not"),
    ],
)
def test_bad_trees_of_logits_are_named_and_mended(change: dict[str, object], words: str) -> None:
    nodes = torch.tensor([0, 0, 1])
    good: dict[str, object] = {
        "logits": torch.zeros(3, 9),
        "tokens": nodes,
        "parents": nodes - 1,
        "counts": [3],
    }
    with pytest.raises(KernelError, match=words) as raised:
        sample_tree(**(good | change))  # type: ignore[arg-type]
    assert str(raised.value).endswith(raised.value.cure) and raised.value.cure.endswith(".")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sampled": torch.zeros(3)}, "sampled.*float32"),
        ({"tokens": torch.zeros(4, dtype=torch.int32)}, r"tokens.*\[4\]"),
        ({"parents": torch.zeros(3, 1, dtype=torch.int32)}, r"parents.*\[3, 1\]"),
        ({"counts": [2]}, "add up to 2, and there are 3"),
        ({"counts": [4, -1]}, "counts: It holds -1"),
        ({"most_nodes": 5000}, "5000 nodes; at most 4096"),
    ],
)
def test_bad_trees_are_named_and_mended(change: dict[str, object], words: str) -> None:
    three = torch.zeros(3, dtype=torch.int32)
    good: dict[str, object] = {"sampled": three, "tokens": three, "parents": three, "counts": [3]}
    with pytest.raises(KernelError, match=words) as raised:
        verify(**(good | change))  # type: ignore[arg-type]
    assert str(raised.value).endswith(raised.value.cure) and raised.value.cure.endswith(".")


def tables(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    random = np.random.default_rng(seed)
    transitions = torch.from_numpy(random.integers(-1, 9, (9, 5)).astype(np.int32))
    token_class = torch.from_numpy(random.integers(-1, 5, (3, 40)).astype(np.int32))
    state_rows = torch.from_numpy(random.integers(-1, 100, (9, 3)).astype(np.int32))
    return transitions, token_class, state_rows


@pytest.mark.parametrize("count", [0, 1, 257])
@pytest.mark.parametrize("several", [False, True])
def test_kernel_and_twin_step_alike(count: int, several: bool) -> None:
    transitions, token_class, state_rows = tables(count)
    random = np.random.default_rng(count)
    states = torch.from_numpy(random.integers(-1, 9, count))
    tokens = torch.from_numpy(
        random.integers(-2, 42, (6, count)).astype(np.int32)
    ).t()  # strides of their own
    automata = torch.from_numpy(random.integers(0, 3, count)) if several else None
    classes = token_class if several else token_class[1]
    ours = advance(states, tokens, transitions, classes, automata, state_rows)
    twin = reference.advance(states, tokens, transitions, classes.reshape(-1, 40), automata, state_rows)
    assert torch.equal(ours.states, twin.states)
    assert ours.indices is not None and torch.equal(ours.indices, twin.indices)
    one = advance(states, tokens[:, 0], transitions, classes, automata)
    assert one.indices is None and torch.equal(one.states, ours.states[:, 0])
    # a loop in Python
    for line in range(min(count, 40)):
        state = int(states[line])
        for step, token in enumerate(tokens[line].tolist()):
            of = token_class[int(automata[line]) if automata is not None else 1]
            column = int(of[token]) if 0 <= token < 40 else -1
            state = int(transitions[state, column]) if state >= 0 and column >= 0 else -1
            assert int(ours.states[line, step]) == state
            assert ours.indices[line, step].tolist() == (
                state_rows[state].tolist() if state >= 0 else [-1] * 3
            )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"states": torch.tensor([9])}, "states: It holds 9; the values are -1 to 8"),
        ({"tokens": torch.tensor([1.0])}, "tokens.*float32"),
        ({"tokens": torch.tensor([1, 2])}, "1 states and tokens"),
        ({"token_class": torch.zeros(2, 40, dtype=torch.int32)}, "2 automata"),
        ({"automata": torch.tensor([1])}, "automata: It holds 1"),
        ({"state_rows": torch.zeros(4, 1, dtype=torch.int32)}, "9 states have 1 to 8 rows"),
        ({"transitions": torch.zeros(9, dtype=torch.int32)}, r"transitions.*\[S, C\]"),
        ({"transitions": torch.zeros(9, 5, dtype=torch.int32, device="meta")}, "transitions: It is on meta"),
    ],
)
def test_bad_tables_are_named_and_mended(change: dict[str, object], words: str) -> None:
    transitions, token_class, _ = tables(0)
    good: dict[str, object] = {
        "states": torch.tensor([0]),
        "tokens": torch.tensor([1]),
        "transitions": transitions,
        "token_class": token_class[0],
    }
    with pytest.raises(KernelError, match=words) as raised:
        advance(**(good | change))  # type: ignore[arg-type]
    assert str(raised.value).endswith(raised.value.cure) and raised.value.cure.endswith(".")


def test_a_grammar_is_decoded_on_the_device_as_with_a_matcher_on_the_cpu() -> None:
    """The automaton of a regular expression: advance, mask and draw are kernels, and nothing comes back to
    the host; beside it a matcher makes each mask anew."""
    sg = pytest.importorskip("structgen")
    end = 259
    tokenizer = sg.Tokenizer.from_bytes([bytes([b]) for b in range(256)] + [b"ab", b"bc", b"ca", None], end)
    compiled = sg.compile(sg.regex("(ab|bc){2,3}(ca)*x?"), tokenizer)
    dfa = compiled.to_dfa(100)
    mask = sg.allocate_mask(len(dfa), tokenizer.vocab_size)
    for row, state in enumerate(dfa.states):
        sg.Matcher(compiled, state).fill_mask(mask, row)
    store = mask.torch().clone()
    transitions, classes = torch.from_numpy(dfa.transitions.copy()), torch.from_numpy(dfa.token_class.copy())
    state_rows = torch.arange(len(dfa), dtype=torch.int32)[:, None]
    lines, steps = 4, 9
    logits = torch.randn(steps, lines, 264, generator=torch.Generator().manual_seed(0))
    keys = torch.tensor([reference.sample_key(5, line) for line in range(lines)])

    states = torch.full((lines,), dfa.start, dtype=torch.int32)
    indices, written = states[:, None], []
    for step in range(steps):
        drawn = masked_sample(logits[step], store=store, indices=indices, seed=keys, position=step)
        found = advance(states, drawn.tokens, transitions, classes, None, state_rows)
        assert found.indices is not None
        states, indices = found.states, found.indices
        written.append(drawn.tokens)
    ours = torch.stack(written, 1)

    for line in range(lines):
        matcher, one = sg.Matcher(compiled), sg.allocate_mask(1, tokenizer.vocab_size)
        expected = []
        while not matcher.is_finished and len(expected) < steps:
            matcher.fill_mask(one)
            place = torch.tensor([len(expected)])
            off = torch.zeros(1, dtype=torch.int64), torch.ones(1), torch.zeros(1)
            raw = logits[len(expected), line : line + 1]
            drawn = reference.masked_sample(
                raw, one.torch(), None, torch.ones(1), *off, keys[line, None], place
            )
            expected.append(int(drawn.tokens))
            matcher.advance(expected[-1])
        # after its end a line draws no token
        assert ours[line].tolist() == expected + [-1] * (steps - len(expected))
    assert end in ours and (ours == -1).any()
