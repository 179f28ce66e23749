"""One compiled Lark grammar that several threads ask, or that is stopped in the middle of an answer: its
masks stay those of a grammar that one thread has asked in peace."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from compiled_texts import masks_along

import structgen as sg
from structgen.base.system.public_calls import THIS_CALL
from structgen.doors.maskbench import vocabularies
from structgen.grammars.lark_grammars.compiled.lark_answers import LarkAnswers
from structgen.grammars.lark_grammars.lexer.contextual_lexer import Lexer
from structgen.grammars.lark_grammars.liveness.letters import Letters
from structgen.machines.machine_core.lexeme_tables import RecordTables

GRAMMAR = (
    'start: (NAME "=" sum ";")+\nsum: part ("+" part)*\npart: NAME | NUMBER | TEXT | "(" sum ")"\n'
    'NAME: /[a-z]+(?![a-z])/\nNUMBER: /[0-9]+(\\.[0-9]+)?/\nTEXT: /"[^"]*"/\n'
    "%ignore /\\s+/\n%ignore /#[^\\n]*/\n"
)
TEXTS = (
    'a = 1 + (b + 2.5); # one\nb = "x y";',
    'cd = ((a) + "(") ;e=f;',
    "  x=y+z+1;\n\n# none\nq = (1);",
    'long = name + 22.75 + "#";',
)
Masks = list[bytes]


def compiled(store: Any = False) -> sg.CompiledGrammar:
    return sg.compile(sg.lark(GRAMMAR), vocabularies.load_tokenizer("small"), store=store)


@pytest.mark.parametrize("count", [1, 2])
def test_threads_that_share_a_grammar_or_a_store_get_the_masks_of_one_alone(count: int) -> None:
    store = sg.MaskStore()
    alone, shared = [masks_along(compiled(), text) for text in TEXTS], [compiled(store) for _ in range(count)]
    found: dict[int, Masks] = {}
    begin = threading.Barrier(len(TEXTS))

    def ask(number: int) -> None:
        begin.wait()
        found[number] = masks_along(shared[number % count], TEXTS[number])

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(len(TEXTS))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found.get(number) for number in range(len(TEXTS))] == alone


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), sg.errors.LimitError("Enough.", limit="oracle_steps")]
)
@pytest.mark.parametrize("where", [(LarkAnswers, "answer_questions"), (RecordTables, "make"),
    (Lexer, "_state_of_items"), (Letters, "class_of"),
    (THIS_CALL, "spend_steps")], ids=lambda where: where[1])  # fmt: skip
def test_an_answer_that_is_stopped_leaves_a_grammar_that_answers(
    where: tuple[Any, str], error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted, grammar, calls = masks_along(compiled(), TEXTS[0]), compiled(), 0
    plain: Callable[..., Any] = getattr(*where)

    def stopped(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls % 7 == 3:
            raise error
        found = plain(*arguments, **named)
        if calls % 7 == 6:
            raise error
        return found

    monkeypatch.setattr(*where, stopped)
    stops = 0
    for _ in range(30):
        try:
            masks_along(grammar, TEXTS[0])
        except (KeyboardInterrupt, sg.errors.LimitError):
            stops += 1
    monkeypatch.setattr(*where, plain)
    assert stops
    assert masks_along(grammar, TEXTS[0]) == wanted
