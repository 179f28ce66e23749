"""Formulas are judged, compared and hashed as their parts are, at any depth."""

from __future__ import annotations

import itertools
import pickle

from hypothesis import given
from hypothesis import strategies as st

from structgen.automata.programs.instructions import Program, union_of
from structgen.automata.programs.lookaround_elimination import without_lookarounds
from structgen.automata.programs.thompson_construction import compile_pattern
from structgen.automata.strings.boolean_formulas import TreeBuilder, evaluate, foresee
from structgen.language.ir import FALSE, TRUE, All, Any_, Formula, Not, Pattern
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


def _members() -> dict[object, tuple[str, ...]]:
    """Return for each atom that the trees may hold the patterns of which it finds one: those of a disjunction
    are one program."""
    found: dict[object, tuple[str, ...]] = {}
    for count in (1, 2, 3):
        for sources in itertools.permutations("abc", count):
            programs = [compile_pattern(source) for source in sources]
            assert all(isinstance(program, Program) for program in programs)
            if count == 1:
                found[without_lookarounds(programs[0]) or programs[0]] = sources
            found[union_of(tuple(programs))] = sources
    return found


MEMBERS = _members()


def plainly(formula: Formula, true: set[str]) -> bool:
    match formula:
        case Not(inner):
            return not plainly(inner, true)
        case All(parts):
            return all(plainly(part, true) for part in parts)
        case Any_(parts):
            return any(plainly(part, true) for part in parts)
        case Pattern(source):
            return source in true
    raise AssertionError(formula)


@given(formula=TREES, true=st.sets(st.sampled_from("abc")))
def test_a_formula_is_what_its_atoms_make_it(formula: Formula, true: set[str]) -> None:
    assert holds(formula, lambda atom: isinstance(atom, Pattern) and atom.source in true) == plainly(
        formula, true
    )
    builder = TreeBuilder({})
    tree = builder.node(formula)
    flags = [any(source in true for source in MEMBERS[atom]) for atom in builder.atoms]
    assert evaluate(tree, flags, 0) == plainly(formula, true)


@given(formula=TREES, known=st.dictionaries(st.sampled_from("abc"), st.booleans()))
def test_what_is_foreseen_comes_whatever_the_open_atoms_do(formula: Formula, known: dict[str, bool]) -> None:
    builder = TreeBuilder({})
    tree = builder.node(formula)
    flags: list[bool | None] = []
    for atom in builder.atoms:
        truths = [known.get(source) for source in MEMBERS[atom]]
        flags.append(True if True in truths else (None if None in truths else False))
    found = foresee(tree, flags, 0)
    if found is None:
        return
    for others in itertools.product((False, True), repeat=3):
        true = {source for source, truth in zip("abc", others, strict=True) if known.get(source, truth)}
        assert plainly(formula, true) == found


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
    assert len(TreeBuilder({}).node(one)) == 3
