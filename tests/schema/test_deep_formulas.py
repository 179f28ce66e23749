"""Formulas are judged, compared and hashed as their parts are, at any depth."""

from __future__ import annotations

import itertools
import pickle

from formula_twin import holds as twin
from hypothesis import given
from hypothesis import strategies as st

from structgen.automata.strings.string_pool import StringPool
from structgen.language.ir import DEAD, FALSE, TRUE, All, Any_, Formula, Not, Pattern, Spec
from structgen.limits import Limits
from structgen.schema.meaning.formulas import holds

LEAVES = st.sampled_from([Pattern("a"), Pattern("b"), Pattern("c"), TRUE, FALSE])
TREES: st.SearchStrategy[Formula] = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        inner.map(Not),
        st.lists(inner, max_size=3).map(lambda parts: All(tuple(parts))),
        st.lists(inner, max_size=3).map(lambda parts: Any_(tuple(parts))),
    ),
)


def plainly(formula: Formula, true: set[str]) -> bool:
    return twin(formula, "", lambda atom: isinstance(atom, Pattern) and atom.source in true)


def state_after(formula: Formula, text: str) -> tuple[bool, bool]:
    """Return whether the automaton of a formula lives after a text, and whether it accepts there."""
    pool = StringPool(Limits())
    state = pool.start(Spec((formula,)), lambda demands: 0)
    for byte in text.encode():
        if state != DEAD:
            state = int(pool.trans[state, byte])
    return state != DEAD, state != DEAD and int(pool.outcome[state]) == 0


@given(formula=TREES, true=st.sets(st.sampled_from("abc")))
def test_a_formula_is_what_its_atoms_make_it(formula: Formula, true: set[str]) -> None:
    expected = plainly(formula, true)
    assert holds(formula, lambda atom: isinstance(atom, Pattern) and atom.source in true) == expected
    assert state_after(formula, "".join(true))[1] == expected


@given(formula=TREES, true=st.sets(st.sampled_from("abc")))
def test_a_text_goes_on_where_some_atoms_more_make_its_formula_true(formula: Formula, true: set[str]) -> None:
    others = [set(more) for size in range(4) for more in itertools.combinations("abc", size)]
    assert state_after(formula, "".join(true))[0] == any(plainly(formula, true | more) for more in others)


@given(one=TREES, other=TREES)
def test_formulas_are_equal_where_their_parts_are(one: Formula, other: Formula) -> None:
    assert (one == other) == (repr(one) == repr(other))
    assert one != other or hash(one) == hash(other)
    assert pickle.loads(pickle.dumps(one)) == one


def test_formulas_of_any_depth_are_compared_hashed_and_judged() -> None:
    def deep() -> Formula:
        found: Formula = Pattern("a")
        for _ in range(20_000):
            found = All((Any_((Not(found), Pattern("b"))), Pattern("c")))
        return found

    one, other = deep(), deep()
    assert one == other and hash(one) == hash(other)
    assert one != Not(other)
    assert holds(one, lambda atom: atom != Pattern("b"))
