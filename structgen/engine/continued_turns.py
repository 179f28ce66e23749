"""The turn of the assistant that messages may end with: the beginning of the answer, or history."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from structgen.core.compiled import CompiledGrammar, first_fault
from structgen.errors import OptionError


def as_it_is(text: str) -> Iterable[tuple[str, str]]:
    """Return the one way in which a turn is the beginning of a text: as it is."""
    return ((text, ""),)


def continued(
    prompt: Any,
    wanted: bool | None,
    compiled: Callable[[], CompiledGrammar] | None,
    ways: Callable[[str], Iterable[tuple[str, str]]] = as_it_is,
    where: str = "messages[{}].content",
) -> tuple[Any, dict[str, Any] | None]:
    """Return the messages of a prompt before the turn that the answer goes on with, and this turn; the prompt
    and None where the answer is a turn of its own.

    A last turn of the assistant is continued where that is `wanted`, or its `prefix` says so; where nothing
    is said, if it begins a text of the grammar and is none. `compiled`: gives the grammar; None: free text.
    `ways`: of a turn, how it may begin a text that is written, and what would then close it. `where`: the
    place of a turn in errors.

    Errors: OptionError for a turn that is to be continued and is not there, calls tools, or begins no text.
    Cost: linear in the turn; the grammar is compiled where a turn is asked about.
    """
    last: Any = prompt[-1] if prompt and not isinstance(prompt, str) else {}
    is_asked = bool(last.get("prefix")) if wanted is None else wanted
    is_turn = last.get("role") == "assistant" and not last.get("tool_calls")
    if not is_turn or wanted is False:
        if is_asked:
            raise OptionError(
                "The prompt does not end with a turn of the assistant that could go on.",
                where="continue_final_message",
                cure='End the messages with {"role": "assistant", "content": "..."}, or leave it out.',
            )
        return prompt, None
    if not last["content"].strip() and (not is_asked or not last["content"]):
        return prompt[:-1] if is_asked else prompt, None  # a turn without text is one that the answer begins
    grammar = None if compiled is None else compiled()
    for begun, closing in ways(last["content"]):
        state = None if grammar is None else grammar.step_bytes(grammar.start, begun.encode())
        if grammar is not None and state is not None and not is_asked:
            state = None if _is_whole(grammar, state, closing) else state
        if state is not None or (grammar is None and is_asked):
            return [*prompt[:-1]], {**last, "content": begun}
    if is_asked and grammar is not None:
        begun, _ = next(iter(ways(last["content"])))
        before = begun.removesuffix(last["content"]) if begun.endswith(last["content"]) else ""
        fault = first_fault(grammar, begun.removeprefix(before), before)
        raise OptionError(
            f"It is to be continued, and no document begins so: {fault}.",
            where=where.format(len(prompt) - 1),
            cure="Mend the turn, or have it not continued: then it is history.",
        )
    return prompt, None


def _is_whole(compiled: CompiledGrammar, state: Any, closing: str) -> bool:
    """Return whether a text that has begun is whole with what closes it."""
    after = compiled.step_bytes(state, closing.encode())
    return after is not None and compiled.accepts_end(after)
