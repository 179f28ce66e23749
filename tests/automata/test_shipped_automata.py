"""The automata that come with the package are those that are made, and the file may be damaged or gone."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import structgen as sg
from structgen.automata.numbers import number_pool
from structgen.automata.strings import formula_automata, shipped_automata
from structgen.automata.strings.shipped_automata import (
    FILE,
    digest_of,
    read_entries,
    shipped_automaton,
    shipped_entries,
    write_entries,
)
from structgen.base.limits import Limits
from structgen.base.system.public_calls import THIS_CALL
from structgen.errors import LimitError, StoreWarning

sys.path[:0] = [str(Path(__file__).parents[2] / "scripts")]

from make_shipped_automata import make_entries, meanings  # noqa: E402

BYTES = [bytes((byte,)) for byte in range(256)]
TOKENIZER = sg.Tokenizer.from_bytes([*BYTES, None], eos_token_id=256)
SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "string", "format": "date-time"}, "b": {"type": "integer"}},
    "required": ["a", "b"],
}


@pytest.fixture
def nothing_held() -> Iterator[None]:
    """Have automata read or made anew, and the file read anew afterwards, too."""

    def forget() -> None:
        formula_automata.HELD.clear()
        number_pool.HELD.clear()
        shipped_entries.cache_clear()

    forget()
    yield
    forget()


def test_the_file_holds_what_is_made() -> None:
    made, shipped = make_entries(), shipped_entries()
    assert made.keys() == shipped.keys() and len(made) == 31
    for digest, one in made.items():
        other = shipped[digest]
        assert one[1:] == other[1:]  # steps and sizes; of the bytes zlib's version decides
        first, second = one.unpack_automaton(), other.unpack_automaton()
        for name in ("trans", "accept"):
            assert np.array_equal(getattr(first, name), getattr(second, name))
        for name in ("starts", "kinds", "width"):
            assert np.array_equal(getattr(first.alphabet, name), getattr(second.alphabet, name))


def test_a_call_pays_the_steps_of_making_what_it_reads(nothing_held: None) -> None:
    for meaning, _ in meanings():
        steps = shipped_entries()[digest_of(meaning)].steps
        with THIS_CALL.begin_call(Limits(oracle_steps=steps)):
            assert shipped_automaton(meaning) is not None
            assert THIS_CALL.spent == steps
        with (
            THIS_CALL.begin_call(Limits(oracle_steps=steps - 1)),
            pytest.raises(LimitError, match="patterns"),
        ):
            shipped_automaton(meaning)


def test_arrays_that_are_read_have_the_types_of_those_that_are_made(
    nothing_held: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = {digest: one.unpack_automaton() for digest, one in shipped_entries().items()}
    monkeypatch.setattr(shipped_automata, "shipped_entries", dict)
    for meaning, make in meanings():
        made, one = make(), read[digest_of(meaning)]
        assert (one.trans.dtype, one.accept.dtype) == (made.trans.dtype, made.accept.dtype)
        assert one.alphabet.starts.dtype == made.alphabet.starts.dtype
        assert one.alphabet.kinds.dtype == made.alphabet.kinds.dtype


def test_written_entries_are_read() -> None:
    assert read_entries(write_entries(shipped_entries().items())) == shipped_entries()
    assert read_entries(write_entries([])) == {}


def cut(data: bytes) -> bytes:
    return data[:-1]


def flipped(data: bytes) -> bytes:
    return data[:1000] + bytes((data[1000] ^ 1,)) + data[1001:]


def masks() -> list[list[int]]:
    """Return the tokens that are allowed at each place of a document."""
    compiled = sg.compile(sg.json_schema(SCHEMA), TOKENIZER, store=False)
    state: Any = compiled.start
    found = []
    for byte in b'{"a":"2020-02-29T12:00:00Z","b":12}':
        found.append(compiled.allowed(state))
        state = compiled.step(state, byte)
    return found


@pytest.mark.parametrize("damage", [cut, flipped, bytes, None])
def test_a_damaged_file_causes_one_warning_and_changes_no_mask(
    damage: Callable[[bytes], bytes] | None,
    nothing_held: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = masks()
    shipped_entries.cache_clear()
    formula_automata.HELD.clear()
    number_pool.HELD.clear()
    damaged = tmp_path / "file"
    if damage is not None:
        damaged.write_bytes(b"" if damage is bytes else damage(FILE.read_bytes()))
    monkeypatch.setattr(shipped_automata, "FILE", damaged)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert masks() == masks() == expected
    assert [one.category for one in told] == [StoreWarning]
    assert "built again. Install structgen again." in str(told[0].message)
