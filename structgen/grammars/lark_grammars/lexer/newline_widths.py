"""Which widths lark's indenter may find behind a newline: the columns behind the last line break in it.

`/(\\n *)+/` goes on to each width, from wherever it is. `/\\n */` may have each, and `/\\n\\t*/` each that
counts, but its column matters: it cannot go on to each other one. `/\\n/` has one; and `/\\n+ */` each, but
behind a blank one more newline may follow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from structgen.grammars.lark_grammars.lexer.lexer_tables import LexerTables


class Widths(NamedTuple):
    """What is known of the widths of newlines."""

    goes_on: bool = True
    """Whether what may follow a newline may follow it with each width: then its column is of no matter."""
    has_each: bool = True
    """Whether before its first byte it may follow with each width that any newline has, and there are
    always wider ones: then lines may be read as if it had each."""
    first: int = 0
    """From this column on..."""
    every: int = 1
    """... columns do the same after so many."""


def widths_of(
    rows: LexerTables,
    starts: set[int],
    terminals_of: Callable[[int], frozenset[int]],
    behind: Callable[[int], Sequence[int]],
) -> Widths:
    """Return the widths of the newlines of a grammar. `starts`: the states before a lexeme;
    `terminals_of`: what a state may become; `behind`: what may follow a newline that leaves a carry, as bits,
    in some contexts. Cost: the rows of all states of the newline, and about 50 us for each."""
    lexer, lines = rows.lexer, rows.lexer.tables.indentation
    if lines is None:
        return Widths()
    line_break, tab, blank = (lexer.classes[byte] for byte in b"\n\t ")
    others = {byte_class for byte, byte_class in enumerate(lexer.classes) if byte not in b"\n\t "}

    def after(some: Iterable[int], classes: Iterable[int]) -> set[int]:
        found, columns = set[int](), sorted(classes)
        for state in some:
            rows.put_row(state)
            found.update(rows.moves[state, columns].tolist())
        return {to for to in found if to >= 0 and lines.newline in terminals_of(to)}

    def closed(some: Iterable[int], classes: Iterable[int]) -> list[int]:
        met = dict.fromkeys(some)
        pending = list(met)
        for state in pending:
            fresh = [one for one in after((state,), classes) if one not in met]
            met |= dict.fromkeys(fresh)
            pending += fresh
        return pending

    begun, known, following = sorted(starts), set(starts), dict[int, set[int]]()
    for one in begun:
        following[one] = after((one,), range(lexer.width))
        begun += sorted(following[one] - known)
        known |= following[one]
    broken = {one: at for at, one in enumerate(sorted(after(begun, (line_break,))))}
    bits: dict[tuple[int, ...], int] = {}

    def ends(some: Iterable[int]) -> int:
        """Return what newlines leave that end in some states, as bits above those of line breaks."""
        found = 0
        for terminal, carry in (end for state in some for end in lexer.states[state].ends):
            if terminal == lines.newline:
                more = tuple(behind(carry))
                found |= bits.setdefault(more, 1 << (len(broken) + len(bits))) if more else 0
        return found

    # behind each line break, the states that have a column: they come again
    size = max(1, lines.tab_size)
    columns = [[list[int]()] * len(broken)] * size + [[closed((one,), others) for one in broken]]
    met = dict[object, int]()
    while (last := tuple(frozenset(some) for at in columns[-size:] for some in at)) not in met:
        met[last] = len(met)
        before = zip(columns[-1], columns[-size], strict=True)
        columns.append([closed(after(one, (blank,)) | after(two, (tab,)), others) for one, two in before])
    carries = [[ends(some) for some in at] for at in columns[size:]]

    # the line breaks that each state leads to, and the carries
    leads = {one: ends((one,)) | sum(1 << broken[to] for to in after((one,), (line_break,))) for one in begun}
    changed = True
    while changed:
        changed = False
        for one in reversed(begun):
            more = leads[one]
            for to in following[one]:
                more |= leads[to]
            changed |= more != leads[one]
            leads[one] = more

    at_least = {
        bit: sum(
            other for more, other in bits.items() if not any(a & ~b for a, b in zip(some, more, strict=True))
        )
        for some, bit in bits.items()
    }

    def has_each(state: int, some: Sequence[Sequence[int]]) -> bool:
        here = leads[state]
        for at in some:
            found = 0
            for number, left in enumerate(at):
                found |= left if here >> number & 1 else 0
            if any(here & bit and not found & more for bit, more in at_least.items()):
                return False
        return True

    first = met[last]
    has_wider, used = any(map(any, carries[first:])), [at for at in carries if any(at)]
    return Widths(
        all(has_each(one, carries) for one in begun),
        has_wider and all(has_each(one, used) for one in starts),
        first,
        len(met) - first,
    )
