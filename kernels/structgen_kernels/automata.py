"""Automata that are stepped on the device: for regular languages a decoding loop needs no host between steps.

`compiled.to_dfa(max_states)` of a grammar with few states gives the tables: the class of each token, and the
state after a class of tokens. With the mask store's rows of each state, the step after a draw is one kernel:

    token --advance--> state, rows of the store --masked_sample--> next token

The automaton has no transitions for end tokens. A line that has drawn one is dead (-1): its rows allow
nothing, so from then on it draws token -1 and stays dead.
"""

from __future__ import annotations

import torch
from torch import Tensor

from structgen_kernels import reference
from structgen_kernels.checks import INTEGERS, MOST_ROWS, integers, runs_triton, said
from structgen_kernels.errors import KernelError
from structgen_kernels.launching import Plan, Plans, outline_of
from structgen_kernels.reference import Advanced

_BLOCK = 128
_PLANS = Plans()


def advance(
    states: Tensor,
    tokens: Tensor,
    transitions: Tensor,
    token_class: Tensor,
    automata: Tensor | None = None,
    state_rows: Tensor | None = None,
) -> Advanced:
    """Return the states of n automata after tokens, and the mask store's rows for them.

    `states`: int32 or int64 [n], -1 for a dead one. `tokens`: int32 or int64 [n], or [n, L] for L steps; the
    result has the same shape. `transitions`: int32 or int64 [S, C], the state after a class of tokens, -1 if
    there is none. `token_class`: int32 or int64 [V], -1 for a token that is never allowed; or [A, V] for
    several automata whose states share the numbers 0 to S - 1, with `automata` [n], the automaton of each
    line. `state_rows`: int32 or int64 [S, K], K from 1 to 8: the rows of the mask store whose union is a
    state's mask, -1 for none; with it the result has `indices` [*tokens, K].

    A state, token or automaton that is out of range gives -1 and rows -1, which allow nothing; no memory
    outside the tables is read. Numbers in main memory are checked. Cost: two dependent reads a token. Raises
    KernelError for wrong types, shapes or devices.
    """
    given = states, tokens, transitions, token_class, automata, state_rows
    outline = outline_of(*given)
    plan = _PLANS.known(outline)
    if plan is not None:
        return _launch(plan, *given)
    device = states.device if isinstance(states, Tensor) else torch.device("cpu")
    for name, value, shapes in (
        ("states", states, "[n]"),
        ("tokens", tokens, "[n] or [n, L]"),
        ("transitions", transitions, "[S, C]"),
        ("token_class", token_class, "[V] or [A, V]"),
        ("automata", automata, "[n]"),
        ("state_rows", state_rows, "[S, K]"),
    ):
        if value is None and name in ("automata", "state_rows"):
            continue
        sizes = {1 + part.count(",") for part in shapes.split(" or ")}
        if not isinstance(value, Tensor) or value.dtype not in INTEGERS or value.ndim not in sizes:
            raise KernelError(
                f"It is {said(value)}, and int32 or int64 {shapes} is needed.",
                where=name,
                cure="Pass the tables of an explicit automaton as integer tensors.",
            )
        if value.device != device:
            raise KernelError(
                f"It is on {value.device} and the states are on {device}.",
                where=name,
                cure=f"Pass {name}.to({str(device)!r}).",
            )
    count = len(states)
    if tokens.shape[0] != count:
        raise KernelError(
            f"There are {count} states and tokens {list(tokens.shape)}.",
            where="tokens",
            cure="Give the tokens of each state.",
        )
    classes = token_class if token_class.ndim == 2 else token_class[None]
    if automata is None and classes.shape[0] != 1:
        raise KernelError(
            f"There are {classes.shape[0]} automata.",
            where="automata",
            cure="Say which one each line follows.",
        )
    if state_rows is not None and not (
        1 <= state_rows.shape[1] <= MOST_ROWS and state_rows.shape[0] == transitions.shape[0]
    ):
        raise KernelError(
            f"Its shape is {list(state_rows.shape)}; {transitions.shape[0]} states have 1 to "
            f"{MOST_ROWS} rows each.",
            where="state_rows",
            cure="Give one line of rows for each state.",
        )
    states = integers(states, (count,), device, "states", -1, transitions.shape[0], "-1 is a dead state.")
    if automata is not None:
        automata = integers(
            automata, (count,), device, "automata", 0, classes.shape[0], "Number the rows of token_class."
        )
    if runs_triton(device):
        checked = (
            states,
            tokens,
            transitions.contiguous(),
            token_class.contiguous(),
            automata,
            None if state_rows is None else state_rows.contiguous(),
        )
        return _launch(_PLANS.made(outline, given, checked), *checked)
    steps = tokens if tokens.ndim == 2 else tokens[:, None]
    return _shaped(reference.advance(states, steps, transitions, classes, automata, state_rows), tokens)


def _shaped(found: Advanced, tokens: Tensor) -> Advanced:
    """Return the result for tokens [n, L], or without its steps for tokens [n]."""
    if tokens.ndim == 2:
        return found
    return Advanced(found.states[:, 0], None if found.indices is None else found.indices[:, 0])


def _launch(
    plan: Plan,
    states: Tensor,
    tokens: Tensor,
    transitions: Tensor,
    token_class: Tensor,
    automata: Tensor | None,
    state_rows: Tensor | None,
) -> Advanced:
    # start-up: Triton
    from structgen_kernels.triton_automata import advance_kernel

    count, device = states.shape[0], states.device
    length = tokens.shape[1] if tokens.ndim == 2 else 1
    rows = 0 if state_rows is None else state_rows.shape[1]
    after = torch.empty(tokens.shape, dtype=torch.int32, device=device)
    indices = torch.empty((*tokens.shape, rows), dtype=torch.int32, device=device)
    if count and length:
        plan.launch(
            advance_kernel,
            -(-count // _BLOCK),
            states,
            tokens,
            transitions,
            token_class,
            automata,
            state_rows,
            after,
            indices,
            count,
            length,
            transitions.shape[0],
            transitions.shape[1],
            1 if token_class.ndim == 1 else token_class.shape[0],
            token_class.shape[-1],
            tokens.stride(0),
            tokens.stride(-1),
            ROWS=rows,
            BLOCK=_BLOCK,
        )
    return Advanced(after, None if state_rows is None else indices)
