"""What each checker of the domains knows that its grammar does not, and what makes an answer right."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from methods import domain_goals, domain_molecules, domain_patterns, domain_receipts, domain_sql
from methods.checked_domain import accepts, read

from structgen.base.json_text.events import EventLog
from structgen.base.system import shipped_files
from structgen.decoding.samplers.constraints import Constraints


def labelled(name):
    """Return the texts of a grammar that ships."""
    path = shipped_files.grammar_path(name).with_suffix(".texts.json")
    return [one["text"] for one in json.loads(path.read_text(encoding="utf-8"))["accepted"]]


def test_a_query_is_right_by_its_rows_and_their_order():
    wanted = "SELECT name FROM customers ORDER BY age"
    assert domain_sql.is_right("shop", wanted, "SELECT name FROM customers ORDER BY age ASC")
    assert not domain_sql.is_right("shop", wanted, "SELECT name FROM customers ORDER BY age DESC")
    plain = "SELECT city FROM customers WHERE age > 40"
    assert domain_sql.is_right("shop", plain, "SELECT city FROM customers WHERE age >= 45 ORDER BY city")
    assert not domain_sql.is_right("shop", plain, "SELECT DISTINCT city FROM customers")
    every, once = "SELECT city FROM customers", "SELECT DISTINCT city FROM customers"
    assert not domain_sql.is_right("shop", every, once)


@pytest.mark.parametrize("text", ["C1CC", "CC(", "c1cccc1"])
def test_a_molecule_that_may_go_on_is_none_as_it_is(text):
    pytest.importorskip("partialsmiles")
    assert domain_molecules.Molecule().viable(text.encode())
    assert not domain_molecules.Molecule().final(text)


def test_partialsmiles_takes_the_syntax_of_the_grammars_texts():
    partialsmiles = pytest.importorskip("partialsmiles")
    for text in labelled("smiles"):
        try:
            partialsmiles.ParseSmiles(text, partial=True)
        except partialsmiles.ValenceError:
            assert text in ("FF(F)F", "[O--]"), text


@pytest.mark.parametrize(
    ("text", "atoms", "rings"),
    [
        ("CC(=O)Oc1ccccc1C(=O)O", {"C": 9, "O": 4}, 1),
        ("C[N+](C)(C)C", {"C": 4, "N": 1}, 0),
        ("ClCCBr", {"C": 2, "Cl": 1, "Br": 1}, 0),
        ("C%12CC%12[13CH4][H]", {"C": 4}, 1),
        ("C12CC1C2", {"C": 4}, 2),
        ("[nH]1cccc1", {"C": 4, "N": 1}, 1),
    ],
)
def test_atoms_and_rings_are_counted(text, atoms, rings):
    assert domain_molecules.contents(text) == (Counter(atoms), rings)


BLOCKS = domain_goals.CanHold("blocks", {"a": "block", "b": "block", "c": "block"})
ROOMS = domain_goals.CanHold("rooms", {"x": "ball", "y": "ball", "hall": "room", "shed": "room"})
SHOP, ATOMS = domain_sql.Explained("shop"), domain_molecules.Molecule()


@pytest.mark.parametrize(
    ("domain", "checker", "text", "refused_from", "is_whole"),
    [
        (domain_sql, SHOP, "SELECT name FROM clubs", "SELECT name FROM cl", False),
        (domain_sql, SHOP, "SELECT title FROM customers", "SELECT t", False),
        (
            *(domain_sql, SHOP, "SELECT product FROM customers WHERE age > 3"),
            *("SELECT product FROM customers WHERE ", False),
        ),
        (
            *(domain_sql, SHOP, "SELECT SUM(*) FROM orders GROUP BY product"),
            *("SELECT SUM(*) FROM orders GROUP BY ", False),
        ),
        (domain_sql, SHOP, "SELECT name FROM customers WHERE price > 3", None, False),
        (
            *(domain_sql, SHOP, "SELECT id FROM customers JOIN orders ON customers.id = orders.customer_id"),
            *(None, False),
        ),
        (domain_molecules, ATOMS, "C(C)(C)(C)(C)C", "C(C)(C)(C)(", False),
        (domain_molecules, ATOMS, "FCF", None, True),
        (domain_molecules, ATOMS, "CFC", "CFC", False),
        (domain_molecules, ATOMS, "O=O=O", "O=O=", False),
        (domain_goals, BLOCKS, "(and (on a d) (clear c))", "(and (on a d)", None),
        (domain_goals, BLOCKS, "(on a)", "(on a)", None),
        (domain_goals, BLOCKS, "(under a b)", "(under a b)", None),
        (domain_goals, BLOCKS, "(and (on a b) (on a c))", "(and (on a b) (on a c)", None),
        (domain_goals, BLOCKS, "(and (on a b) (on c b))", "(and (on a b) (on c b)", None),
        (domain_goals, BLOCKS, "(and (on a b) (on b c) (on c a))", "(and (on a b) (on b c) (on c a)", None),
        (domain_goals, BLOCKS, "(on a a)", "(on a a)", None),
        (domain_goals, BLOCKS, "(and (holding a) (handempty))", "(and (holding a) (handempty)", None),
        (domain_goals, BLOCKS, "(and (on a b) (clear b))", "(and (on a b) (clear b)", None),
        (domain_goals, BLOCKS, "(and (clear a) (not (clear a)))", "(and (clear a) (not (clear a)", None),
        (domain_goals, ROOMS, "(and (at x hall) (at x shed))", "(and (at x hall) (at x shed)", None),
        (domain_goals, ROOMS, "(and (carrying x) (carrying y))", "(and (carrying x) (carrying y)", None),
        (domain_goals, ROOMS, "(at hall x)", "(at hall x)", None),
        (domain_goals, BLOCKS, "(and (on a b) (on b c) (ontable c) (clear a) (handempty))", None, True),
        (domain_goals, BLOCKS, "(and (on a b) (on a b) (not (clear b)))", None, True),
        (domain_goals, ROOMS, "(and (at x hall) (at y hall) (robot-in shed))", None, True),
    ],
)
def test_a_text_is_refused_as_soon_as_what_is_written_is_wrong(domain, checker, text, refused_from, is_whole):
    """A column that the query does not have, an atom with too many bonds, a goal that cannot hold."""
    if domain is domain_molecules and domain.missing():
        pytest.skip(domain.missing())
    refused = [text[:end] for end in range(len(text) + 1) if not checker.viable(text[:end].encode())]
    assert next(iter(refused), None) == refused_from
    if is_whole is not None and not domain.missing():
        assert checker.final(text) is is_whole


def test_pddl_reads_the_grammars_texts_and_not_what_is_none():
    pytest.importorskip("pddl")
    objects = (("a", "block"),)
    for text in labelled("goals"):
        assert domain_goals._is_read("blocks", objects, text), text
    for text in ("(and (on a b)", "(on a (clear b))", "on a b"):
        assert not domain_goals._is_read("blocks", objects, text), text


def test_the_order_of_atoms_is_no_part_of_a_goal():
    wanted = "(and (on a b) (clear c))"
    assert domain_goals.is_right(wanted, "(and (clear c) (on a b))")
    assert not domain_goals.is_right(wanted, "(and (clear c) (not (on a b)))")
    assert not domain_goals.is_right(wanted, "(clear c)")


def test_a_code_is_refused_where_the_pattern_looks_back():
    checker = domain_patterns.Matching(["([a-z])", r"((?!\1)[a-z])", r"\2", r"\1"])
    assert accepts(checker, "abba")
    assert [checker.viable(b"abca"[:end]) for end in range(5)] == [True, True, True, False, False]
    assert not checker.viable(b"aa")
    assert not checker.final("abb")
    assert not checker.final("abbaa")
    assert not checker.viable(b"abbaa")


def worked_examples():
    """Yield each worked example of each domain: its domain, its checker, its answer, whether it is right."""
    for name, _, query in read("sql")["shown"]:
        yield domain_sql, domain_sql.Explained(name), query, True
    for _, codes, items, code in read("patterns")["shown"]:
        yield domain_patterns, domain_patterns.Matching(items), code, domain_patterns.is_right(codes, code)
    for _, *asked, text in read("molecules")["shown"]:
        yield domain_molecules, domain_molecules.Molecule(), text, domain_molecules.is_right(*asked, text)
    for world, about in read("goals")["worlds"].items():
        for _, goal in about["shown"]:
            yield domain_goals, domain_goals.CanHold(world, about["objects"]), goal, True
    for says, value in read("receipts")["shown"]:
        yield domain_receipts, domain_receipts.AddsUp(says), domain_receipts.written(value), True


@pytest.mark.parametrize(("domain", "checker", "text", "is_right"), [*worked_examples()])
def test_a_worked_example_passes_the_checker_and_is_right(domain, checker, text, is_right):
    if domain.missing():
        pytest.skip(domain.missing())
    assert is_right
    assert checker.final(text) if domain is domain_receipts else accepts(checker, text)


def closing(says, text):
    """Return where a checker of receipts refuses a document, byte by byte; None if it passes."""
    constraints = Constraints([domain_receipts.AddsUp(says)], json.loads, are_values=True)
    standing = constraints.start()
    assert isinstance(standing.log, EventLog)
    data = text.encode()
    for end in range(1, len(data) + 1):
        found = constraints.extend_standing(standing, end - 1, data[:end])
        if found is None:
            return text[:end]
        standing = found
    return None if constraints.accepts_text(standing, data) else text


LAMP = '{"items": [{"name": "lamp", "count": 2, "price": 30}], "total": '


@pytest.mark.parametrize(
    ("text", "refused_from"),
    [
        (LAMP + "60}", None),
        (LAMP + "61}", LAMP + "61}"),
        (LAMP.replace("lamp", "sofa") + "60}", LAMP.replace("lamp", "sofa")[: LAMP.index("}") + 1]),
        (
            '{"items": [{"name": "lamp", "count": 1, "price": 3}, {"name": "lamp", "count": 1, "price": 4}], '
            '"total": 7}',
            '{"items": [{"name": "lamp", "count": 1, "price": 3}, {"name": "lamp", "count": 1, "price": 4}',
        ),
    ],
)
def test_a_receipt_is_refused_where_a_value_closes(text, refused_from):
    assert closing("Two lamps at 30 each.", text) == refused_from
    assert domain_receipts.AddsUp("Two lamps at 30 each.").final(text) is (refused_from is None)


def test_the_order_of_items_is_no_part_of_a_receipt():
    first, second = ({"name": name, "count": 1, "price": 2} for name in ("cup", "mug"))
    wanted = {"items": [first, second], "total": 4}
    assert domain_receipts.is_right(wanted, json.dumps({"items": [second, first], "total": 4}))
    assert not domain_receipts.is_right(wanted, json.dumps({"items": [first], "total": 2}))
