"""The first automaton of a pool is not copied: what grammars share stays as it is while texts are read."""

from __future__ import annotations

import structgen as sg
from structgen.automata.numbers import number_pool
from structgen.automata.strings.string_pool import _free_string
from structgen.base.language.ir import Spec
from structgen.base.limits import Limits

BYTES = [bytes((byte,)) for byte in range(256)]
TOKENIZER = sg.Tokenizer.from_bytes([*BYTES, None], eos_token_id=256)
SCHEMA = {
    "properties": {
        "a": {"type": "integer"},
        "b": {"type": "number", "minimum": 0},
        "c": {"type": "string", "pattern": "^(ab)+$"},
        "d": {"type": "string"},
    },
    "required": ["a", "b", "c", "d"],
    "type": "object",
}
TEXT = rb'{"a":-12,"b":1.5e3,"c":"abab","d":"x\ud83d\ude00\n"}'


def test_texts_change_no_row_that_grammars_share() -> None:
    pool = number_pool.NumberPool("bounded", Limits())
    pool.start(Spec((number_pool.COMMON[1],)), lambda _: 0)
    _, rows, ends = _free_string()
    shared = (pool.trans, pool.outcome, rows, ends)
    before = [array.copy() for array in shared]
    for _ in range(2):
        compiled = sg.compile(sg.json_schema(SCHEMA, escapes="any"), TOKENIZER, store=False)
        state = compiled.start
        for byte in TEXT:
            assert byte in compiled.allowed(state)
            after = compiled.step(state, byte)
            assert after is not None
            state = after
        assert state.is_complete
    for array, copy in zip(shared, before, strict=True):
        assert (array == copy).all()


def test_two_automata_of_a_pool_lead_to_their_own_states() -> None:
    alone = [number_pool.NumberPool("bounded", Limits()) for _ in number_pool.COMMON]
    together = number_pool.NumberPool("bounded", Limits())
    for pool, formula in zip(alone, number_pool.COMMON, strict=True):
        spec = Spec((formula,))
        first, other = pool.start(spec, lambda _: 0), together.start(spec, lambda _: 0)
        assert first == 0
        count = pool.count
        expected = pool.trans[:count] + (pool.trans[:count] >= 0) * other
        assert (together.trans[other : other + count] == expected).all()
        assert (together.outcome[other : other + count] == pool.outcome[:count]).all()
