"""Specs of strings in the tables of a pool: their classes of characters, programs, formulas and lengths."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np

from structgen.automata.programs.determinizer_tables import ANY, Coded, Key, LoadedSpec
from structgen.automata.programs.instructions import (
    CHAR,
    CLOCK,
    IMPLICIT,
    LETTERS,
    MATCH,
    REGEX,
    REPEAT,
    SPLIT,
    WORDS,
    Program,
    completion_costs,
    found_anywhere,
)
from structgen.automata.programs.thompson_construction import compile_pattern, compile_regex
from structgen.automata.strings.boolean_formulas import (
    Atom,
    BooleanTree,
    TreeBuilder,
    postfix,
)
from structgen.automata.strings.implicit_states import ImplicitStates, length_of_texts
from structgen.automata.strings.string_memory import StringMemory
from structgen.automata.unicode.charsets import LAST, Ranges
from structgen.automata.unicode.partition import Partition, partition_for
from structgen.language.ir import All, Any_, Formula, Not, NumberAtom, Spec, StringAtom, Words
from structgen.native.typed_blocks import words_of

_PAIR = r"[\uD800-\uDBFF][\uDC00-\uDFFF]"
"""Surrogates that are never lone: their escapes are one character (RFC 8259, section 7)."""

# Instructions, as bits: those that name their atom; those with a target in `b`.
_NAMING_ATOM = 1 << CHAR | 1 << MATCH | 1 << CLOCK | 1 << REGEX | 1 << IMPLICIT | 1 << LETTERS
_WITH_TARGET = 1 << CHAR | 1 << SPLIT | 1 << REPEAT | 1 << IMPLICIT | 1 << LETTERS | 1 << REGEX


@dataclass(slots=True)
class StringSpec:
    """A spec that was loaded: the parts that Python needs later."""

    spec: Spec
    outcome: Callable[[frozenset[int]], int]
    nodes: tuple[BooleanTree, ...]
    """The formulas over atoms, by their places in `numbers`."""
    partition: Partition
    breaks: list[int]
    """The lengths at which a bound of the formulas comes true or false."""
    numbers: list[int] = field(default_factory=list)
    """The numbers of the atoms in the pool."""
    bases: dict[int, int] = field(default_factory=dict)
    """Of each atom its first instruction."""
    programs: list[tuple[int, int, Program]] = field(default_factory=list)
    """Place in `numbers`, first instruction and program of each pattern."""
    exact: bool = False
    """`determinizer_tables.LoadedSpec.exact`."""
    demands: dict[int, frozenset[int]] = field(default_factory=dict)
    """Of each outcome that was met the demands."""
    names: dict[int, bytes] = field(default_factory=dict)
    """Of threads the names for `StringPool.key`."""
    digest: bytes = b""
    """Of the formulas; empty until a key is asked for."""

    def met(self, demands: frozenset[int]) -> int:
        """Return the outcome of a string that meets some demands; -1: it is none."""
        judge = self.spec.judge
        if not demands or (judge is not None and not judge.total and not judge.holds(demands)):
            return -1
        outcome = self.outcome(demands)
        if outcome >= 0:
            self.demands[outcome] = demands
        return outcome

    def outlook(self, sure: frozenset[int], open_: frozenset[int]) -> int:
        """Return whether the judge may still be content: 0 no, 1 perhaps, 2 after every text."""
        judge = self.spec.judge
        assert judge is not None
        return 2 if judge.total else judge.outlook(sure, open_)


class SpecLoader:
    """Loads specs into the memory of a pool; `specs` are those loaded, by number."""

    def __init__(
        self,
        memory: StringMemory,
        texts: ImplicitStates,
        formats: Mapping[str, str],
        *,
        spelling: int,
        lone: bool,
        missing: frozenset[int],
    ) -> None:
        self._missing = missing
        self._memory, self._texts, self._formats = memory, texts, formats
        self._spelling, self._lone = spelling, lone
        self.specs: list[StringSpec] = []
        self._atoms = 0
        self.widest = 0
        """Classes of the widest partition."""
        self.judged = False
        """Has a spec a judge?"""
        self.may_be_total = False
        """May there be a node from which every text can be completed, as far as judges and costs tell?"""

    def load(self, spec: Spec, outcome: Callable[[frozenset[int]], int]) -> int:
        """Load a spec; return its number."""
        memory, judged = self._memory, spec.judge is not None
        memory.make()
        builder = TreeBuilder(self._formats)
        nodes = tuple(builder.node(formula, whole=not judged) for formula in spec.formulas)
        if self._lone and any(isinstance(atom, Program) and _divides(atom) for atom in builder.atoms):
            apart = "not", builder.tree(compile_pattern(_PAIR))
            asked = len(nodes) - judged
            nodes = (*(("all", node, apart) for node in nodes[:asked]), *nodes[asked:])
        atoms = list(builder.atoms)
        sets: dict[Ranges, int] = {}
        letters: set[int] = set()
        for atom in atoms:
            if isinstance(atom, Words):
                letters.update(map(ord, set().union(*atom.of)))
            else:
                letters.update(atom.letters)
                for ranges in atom.sets:
                    sets.setdefault(ranges, len(sets))
        partition = partition_for(tuple(sets), frozenset(letters), self._spelling, self._lone, self._missing)
        loaded = StringSpec(spec, outcome, nodes, partition, sorted(builder.breaks))
        self.widest = max(self.widest, len(partition.first))
        self.judged, self.may_be_total = self.judged or judged, self.may_be_total or judged
        begins = [self._load_atom(atom, loaded, sets) for atom in atoms]
        row = self._row(loaded, atoms, begins)
        number = memory.put_rows("specs", row[None])
        assert number == len(self.specs)
        self.specs.append(loaded)
        if any(isinstance(atom, Program) and atom.steppers for atom in atoms):
            self._texts.specs[number] = loaded.exact
        return number

    def _row(self, loaded: StringSpec, atoms: list[Atom], begins: list[tuple[int, int]]) -> Any:
        """Return the row of a spec (`LoadedSpec`); its lists are put into the heap."""
        row = np.zeros(words_of(LoadedSpec), np.int64)
        append, partition, nodes = self._memory.append, loaded.partition, loaded.nodes
        judged = loaded.spec.judge is not None
        row[LoadedSpec.begins] = append([word for begin in begins for word in begin])
        row[LoadedSpec.atoms] = len(atoms)
        row[LoadedSpec.first_atom] = loaded.numbers[0] if atoms else 0
        row[LoadedSpec.classes] = len(partition.first)
        row[LoadedSpec.ranges] = len(partition.starts)
        row[LoadedSpec.starts] = append(partition.starts)
        row[LoadedSpec.kinds] = append(partition.kinds)
        row[LoadedSpec.costs] = append(partition.cost)
        row[LoadedSpec.firsts] = append(partition.first)
        row[LoadedSpec.ascii] = append(_ascii_kinds(partition))
        row[LoadedSpec.breaks] = append(loaded.breaks)
        row[LoadedSpec.break_count] = len(loaded.breaks)
        row[LoadedSpec.cap] = loaded.breaks[-1] if loaded.breaks else 0
        only = atoms[0] if len(atoms) == 1 and not loaded.breaks and ("atom", 0) in nodes else None
        trimmed = only.trimmed if isinstance(only, Program) else only is not None and all(partition.cost)
        row[LoadedSpec.trimmed] = trimmed and not judged
        row[LoadedSpec.judged] = judged
        bounds = None if judged else _grown(nodes, atoms)
        if bounds is not None:
            row[LoadedSpec.grows], row[LoadedSpec.least], row[LoadedSpec.most] = 1, *bounds
        loaded.exact = bounds is not None or (bool(row[LoadedSpec.trimmed]) and len(nodes) == 1)
        row[LoadedSpec.exact] = loaded.exact
        row[LoadedSpec.texts] = length_of_texts(nodes, atoms, bool(row[LoadedSpec.trimmed]))
        code, depth, asked = postfix(nodes)
        row[LoadedSpec.formula], row[LoadedSpec.depth] = append(code), depth
        row[LoadedSpec.demands] = len(nodes)
        row[LoadedSpec.entries] = len(code) // 3 - 1
        row[LoadedSpec.choices] = not judged and ANY in code[:-4:3]
        row[LoadedSpec.asked] = append([atom in asked for atom in range(len(atoms))])
        if not judged and len(nodes) == 1 and nodes[0][0] == "all" and bounds is None:
            row[LoadedSpec.least] = max((part[1] for part in nodes[0][1:] if part[0] == "length"), default=0)
        return row

    def _load_atom(self, atom: Atom, spec: StringSpec, sets: dict[Ranges, int]) -> tuple[int, int]:
        """Load an atom's instructions; return where it begins, and how many words it has."""
        number, memory, partition = self._atoms, self._memory, spec.partition
        self._atoms += 1
        base = memory.count("code")
        spec.bases[number] = base
        spec.numbers.append(number)
        if isinstance(atom, Words):
            row = [WORDS, memory.append(_word_table(atom, partition)), 0, 0, 0, number]
            memory.put_rows("code", np.array([row], np.int64))
            return base, len(atom.of)
        spec.programs.append((len(spec.numbers) - 1, base, atom))
        classes = len(partition.first)
        masks = [partition.members[sets[ranges]] for ranges in atom.sets]
        member = memory.append([mask >> kind & 1 for mask in masks for kind in range(classes)])
        instructions, chars, first, second, own = _relocation(atom)
        code = instructions.copy()
        code[:, 1] += chars * member + code[:, 1] * chars * (classes - 1) + first * base
        code[:, 2] += second * base
        code[:, 5] += own * number
        if atom.table:
            code[code[:, 0] == REGEX, 1] = memory.append(atom.table)
        for at in np.flatnonzero(code[:, 0] == IMPLICIT).tolist():
            code[at, 1] = self._texts.add(atom.steppers[int(code[at, 1])])
        memory.put_rows("code", code)
        return base + atom.start, 0

    def load_costs(self, number: int) -> None:
        """Load the completion costs of the instructions of a spec."""
        arrays = self._memory.arrays
        code, row = arrays["code"], arrays["specs"][number]
        if row[LoadedSpec.costed]:
            return
        for place, base, program in self.specs[number].programs:
            cost, body = completion_costs(program, self._spelling)
            rows = code[base : base + len(cost)]
            rows[:, Coded.cost], rows[:, Coded.body] = cost, body
            outer = np.array(program.outer, np.int64)
            rows[:, Coded.outer] = np.where(outer < 0, outer, outer + base)
            if found_anywhere(program) and arrays["heap"][row[LoadedSpec.asked] + place]:
                arrays["heap"][row[LoadedSpec.asked] + place] = 1 + cost[program.start]
                self.may_be_total = True
        row[LoadedSpec.costed] = 1

    # Names without numbers of this pool.

    def node_key(self, spec: StringSpec, threads: list[int], length: int) -> bytes:
        """Return the digest of a node."""
        if not spec.digest:
            spec.digest = _digest(spec.spec.formulas, self._formats)
        digest = blake2b(spec.digest, digest_size=16)
        names = []
        for thread in threads:
            name = spec.names.get(thread)
            if name is None:
                name = spec.names[thread] = self._thread_name(spec, thread)
            names.append(name)
        digest.update(b"\n".join(sorted(names)))
        digest.update(b"\n%d" % length)
        return digest.digest()

    def _thread_name(self, spec: StringSpec, thread: int) -> bytes:
        arrays = self._memory.arrays
        keys = arrays["keys"]
        pc, a, b, c = keys[thread, : Key.third + 1].tolist()
        op, atom = arrays["code"][pc, [Coded.op, Coded.e]].tolist()
        at, what = pc - spec.bases[atom], spec.numbers.index(atom)
        if op == CHAR:
            counts = []
            while a > 0:
                counts.append(int(keys[a, Key.second]))
                a = int(keys[a, Key.first])
            return b"%d:%d %r" % (what, at, counts)
        if op == LETTERS:
            letters = []
            while c:
                letters.append(c)
                b, c = keys[b, [Key.second, Key.third]].tolist()
            return b"%d:%d %r" % (what, at, letters)
        if op == IMPLICIT:
            return b"%d:%d %s" % (what, at, self._texts.text(c).encode())
        return b"%d:%d %d %d %d" % (what, at, a, b, c)


def _ascii_kinds(partition: Partition) -> list[int]:
    """Return the class of each ASCII character."""
    kinds: list[int] = []
    ends = [*partition.starts[1:], LAST + 1]
    for low, end, kind in zip(partition.starts, ends, partition.kinds, strict=True):
        kinds += [kind] * (min(end, 0x80) - low)
    return kinds


@functools.lru_cache(maxsize=1024)
def _relocation(program: Program) -> tuple[Any, Any, Any, Any, Any]:
    """Return a program's instructions, and flags: is it CHAR, is `a` a target, is `b`, does it name its
    atom?"""
    code = np.array(program.code, np.int64)
    op = code[:, 0]
    chars = ((op == CHAR) | (op == LETTERS)).astype(np.int64)
    own, second = _NAMING_ATOM >> op & 1, _WITH_TARGET >> op & 1
    return code, chars, 1 - own, second, own


def _grown(nodes: tuple[BooleanTree, ...], atoms: list[Atom]) -> tuple[int, int] | None:
    """Return the least and the most characters (-1: no bound) of a spec that asks for `format: regex` and
    lengths alone: a letter can be added to each such text."""
    if len(nodes) != 1 or len(atoms) != 1 or atoms[0] is not compile_regex() or nodes[0][0] != "all":
        return None
    least, most = 0, -1
    for part in nodes[0][1:]:
        if part[0] == "length":
            least = max(least, part[1])
            if part[2] is not None:
                most = part[2] if most < 0 else min(most, part[2])
        elif part != ("atom", 0):
            return None
    return (least, most) if most < 0 or least <= most else None


def _divides(program: Program) -> bool:
    """Return whether a set of a program holds some lone surrogates and not others."""
    edges = (point for ranges in program.sets for low, high in ranges for point in (low, high + 1))
    return any(0xD800 < point < 0xE000 for point in edges)


def _word_table(atom: Words, partition: Partition) -> Any:
    """Return the words as classes, sorted: n + 1 offsets from the start of the table, then the words."""
    kinds = {first: kind for kind, first in enumerate(partition.first) if first >= 0}
    words = sorted([word.translate(kinds) for word in atom.of])
    offsets = np.zeros(len(words) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, words), np.int64, len(words)), out=offsets[1:])
    offsets += len(words) + 1
    classes = np.frombuffer("".join(words).encode("utf-32-le", "surrogatepass"), np.uint32)
    return np.concatenate([offsets, classes.astype(np.int64)])


def _digest(formulas: tuple[Formula, ...], formats: Mapping[str, str]) -> bytes:
    """Return a digest of the formulas that does not depend on the order of any set."""
    done: list[bytes] = []
    stack: list[tuple[Formula, bool]] = [(formula, False) for formula in reversed(formulas)]
    while stack:
        formula, ready = stack.pop()
        if not isinstance(formula, (Not, All, Any_)):
            done.append(_atom(formula))
            continue
        parts = (formula.of,) if isinstance(formula, Not) else formula.of
        if not ready:
            stack.append((formula, True))
            stack.extend((part, False) for part in reversed(parts))
            continue
        start = len(done) - len(parts)
        below = b"%b%d " % (type(formula).__name__.encode(), len(parts)) + b"\n".join(done[start:])
        del done[start:]
        done.append(below if len(below) < 200 else blake2b(below, digest_size=16).digest())
    return blake2b(b"\n".join(done) + repr(sorted(formats.items())).encode(), digest_size=16).digest()


def _atom(atom: StringAtom | NumberAtom) -> bytes:
    """Return an atom in writing: its kind and its fields, which are strings, numbers, None and Booleans."""
    if isinstance(atom, Words):
        return repr(("Words", *sorted(atom.of))).encode()
    fields = [getattr(atom, name) for name in type(atom).__slots__]
    return f"{type(atom).__name__} {fields!r}".encode()
