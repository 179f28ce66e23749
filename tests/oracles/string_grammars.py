"""Random schemas whose strings are texts of random small grammars, each with the rules of its documents
(`spelled_documents`). All is drawn from one seed."""

from __future__ import annotations

import itertools
import json
import logging
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import lark
from spelled_documents import Chars, Grammar, Prefix, Rhs, Writer

import structgen as sg

ALPHABETS = (
    "ab",
    "ab",
    'a"',
    "a\\",
    "a\n",
    "aé",
    "é🙂",
    "a/ ",
    "()",
    "a\x1f",
    "香a",
    'b\\"',
    "uab",
    ",:",
    "}]a",
)
Node = tuple[Any, ...]
"""("chars", text), ("text", text), ("cat" or "alt", nodes), ("rep", node, least, most), ("rule", name)."""


def drawn_node(chance: random.Random, letters: str, names: str = "", depth: int = 2) -> Node:
    kind = chance.choice(["text", "chars", "text", "rule", *(["cat", "cat", "alt", "rep"] if depth else [])])
    if kind == "rule" and names:
        return ("rule", chance.choice(names))
    if kind in ("text", "rule"):
        return ("text", "".join(chance.choices(letters, k=chance.randint(1, 3))))
    if kind == "chars":
        return ("chars", "".join(sorted(set(chance.choices(letters, k=2)))))
    if kind == "rep":
        least, most = chance.choice([(0, 1), (0, None), (1, None), (0, 2), (2, 2), (1, 3)])
        return ("rep", drawn_node(chance, letters, names, depth - 1), least, most)
    parts = [drawn_node(chance, letters, names, depth - 1) for _ in range(chance.randint(2, 3))]
    return (kind, parts)


def nullable(node: Node) -> bool:
    match node[0]:
        case "cat":
            return all(map(nullable, node[1]))
        case "alt":
            return any(map(nullable, node[1]))
        case "rep":
            return node[2] == 0 or nullable(node[1])
    return False


def rhs_of(node: Node, writer: Writer, style: str, names: dict[str, str], ignored: Rhs = ()) -> Rhs:
    """Return the rule's side of a node. `names`: of its rules; `ignored` may stand before each character."""
    match node[0]:
        case "rule":
            return (names[node[1]],)
        case "chars":
            return (*ignored, Chars(frozenset(node[1]), False, style))
        case "not":
            return (Chars(frozenset(node[1]), True, style),)
        case "text":
            return tuple(one for char in node[1] for one in (*ignored, Chars(frozenset(char), False, style)))
        case "cat":
            parts = [rhs_of(part, writer, style, names, ignored) for part in node[1]]
            return tuple(itertools.chain(*parts))
        case "alt":
            return writer.either([rhs_of(part, writer, style, names, ignored) for part in node[1]])
    of = rhs_of(node[1], writer, style, names, ignored)
    return writer.counted(of, node[2], node[3])


def _quoted(text: str) -> str:
    return '"' + "".join(_ESCAPES.get(char, char) for char in text) + '"'


_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\x1f": "\\x1f"}
_COUNTS = {(0, 1): "?", (0, None): "*", (1, None): "+"}


def written(node: Node, text: Callable[[str], str], between: str) -> str:
    """Return the source of a node. `text` writes a text, `between` stands between two nodes."""
    match node[0]:
        case "rule":
            return str(node[1])
        case "text":
            return text(node[1])
        case "not":
            return f"[^{node[1]}]"
        case "chars":
            return "(" + f"{between}|{between}".join(map(text, node[1])) + ")"
        case "cat":
            return "(" + between.join(written(part, text, between) for part in node[1]) + ")"
        case "alt":
            return "(" + f"{between}|{between}".join(written(part, text, between) for part in node[1]) + ")"
    count = _COUNTS.get(node[2:]) or f"{{{node[2]},{node[3]}}}"
    of = written(node[1], text, between)
    if between == " ":
        return f"({of})" + (count if count in "?*+" else f"~{node[2]}..{node[3]}")
    return f"({of}){count}"


def _re_text(text: str) -> str:
    return "".join(
        {"\n": "\\n", "\x1f": "\\x1f"}.get(c, "\\" + c if c in "()[]{}\\.+*?|^$/-" else c) for c in text
    )


@dataclass
class Texts:
    """A grammar of strings, and what its texts are."""

    grammar: Any
    write: Callable[[Writer, str], Rhs]
    """Returns the rule's side of its texts, as a style spells them."""
    what: str
    every: list[str] | None = None
    """All texts, where they are few."""
    judge: Callable[[str], bool] | None = None
    """`re` or lark, which say whether a text is one."""

    @property
    def texts(self) -> Grammar:
        """The rules of the texts alone, without escapes."""
        writer = Writer()
        writer.rules["root"] = [self.write(writer, "raw")]
        return Grammar(writer.rules)

    def takes(self, text: str) -> bool:
        """Return whether a text is one, as all say that know it."""
        grammar = self.texts
        read = None if grammar.is_empty else Prefix.start(grammar).read(text.encode())
        said = {read is not None and read.is_whole}
        said |= set() if self.every is None else {text in self.every}
        said |= set() if self.judge is None else {self.judge(text)}
        assert len(said) == 1, f"the judges disagree about {text!r}: {self.what}"
        return said.pop()


def of_every(grammar: Any, texts: list[str], what: str) -> Texts:
    every = sorted(set(texts))

    def write(writer: Writer, style: str) -> Rhs:
        return trie(writer, every, style)

    return Texts(grammar, write, what, every)


def trie(writer: Writer, texts: list[str], style: str) -> Rhs:
    """Return the rule's side of some texts, which share beginnings."""
    ways: list[Rhs] = []
    for first, group in itertools.groupby(sorted(set(texts)), key=lambda one: one[:1]):
        rests = [one[1:] for one in group]
        ways.append((Chars(frozenset(first), False, style), *trie(writer, rests, style)) if first else ())
    return writer.either(ways)


def finite(node: Node) -> list[str] | None:
    """Return all texts of a node without rules; None where they are many."""
    match node[0]:
        case "text":
            return [node[1]]
        case "chars":
            return list(node[1])
        case "rule" | "not":
            return None
        case "rep":
            of = finite(node[1])
            if of is None or node[3] is None:
                return None
            counted = [
                ["".join(one) for one in itertools.product(of, repeat=n)] for n in range(node[2], node[3] + 1)
            ]
            found = {one for some in counted for one in some}
            return sorted(found) if len(found) <= 200 else None
    parts = [finite(part) for part in node[1]]
    if any(part is None for part in parts):
        return None
    some = [part for part in parts if part is not None]
    found = {"".join(one) for one in itertools.product(*some)} if node[0] == "cat" else set().union(*some)
    return sorted(found) if len(found) <= 200 else None


def regex(chance: random.Random) -> Texts:
    node = drawn_node(chance, chance.choice(ALPHABETS), depth=3)
    if chance.random() < 0.15:
        node = (
            "cat",
            [node, ("rep", ("not", chance.choice(["a", '"', "ab"])), 0, chance.choice([1, 2, None]))],
        )
    source = written(node, _re_text, "")

    def write(writer: Writer, style: str) -> Rhs:
        return rhs_of(node, writer, style, {})

    pattern = re.compile(source)
    made = sg.regex(source)
    return Texts(made, write, f"regex {source!r}", finite(node), lambda text: bool(pattern.fullmatch(text)))


def choice(chance: random.Random) -> Texts:
    letters = chance.choice(ALPHABETS)
    texts = ["".join(chance.choices(letters, k=chance.randint(0, 4))) for _ in range(chance.randint(1, 5))]
    if not any(texts):
        texts.append("a")
    return of_every(sg.choice(texts), texts, f"choice {texts!r}")


def substring(chance: random.Random) -> Texts:
    letters = chance.choice(ALPHABETS) + chance.choice(ALPHABETS)
    document = "".join(chance.choices(letters, k=chance.randint(1, 8)))
    spans = [document[at:end] for at in range(len(document)) for end in range(at + 1, len(document) + 1)]
    return of_every(sg.substring_of(document), spans, f"substring_of {document!r}")


def rules(chance: random.Random, kind: str) -> Texts:
    letters = chance.choice(ALPHABETS)
    ignored = kind in ("contextual", "characters") and chance.random() < 0.3 and " " not in letters
    names = "xy"
    nodes = {
        "root": drawn_node(chance, letters, names),
        "x": drawn_node(chance, letters, names),
        "y": drawn_node(chance, letters, names),
    }
    lexed = ignored or kind == "contextual"

    def text(one: str) -> str:
        # each character is a terminal of its own: then there is nothing to choose for the lexer
        return " ".join(map(_quoted, one)) if lexed else _quoted(one)

    if kind == "ebnf":
        source = _gbnf(nodes)
        made = sg.ebnf(source)
    else:
        source = (
            "\n".join(
                f"{'start' if name == 'root' else name}: {written(node, text, ' ')}"
                for name, node in nodes.items()
            )
            + "\n"
        )
        if ignored:
            source += '%ignore " "\n'
        if kind == "contextual" and has_conflicts(source):
            return regex(chance)
        made = sg.lark(source, lexer=kind)

    def write(writer: Writer, style: str) -> Rhs:
        called = {name: writer.name() for name in nodes}
        blanks = writer.star((Chars(frozenset(" "), False, style),)) if ignored else ()
        for name, node in nodes.items():
            writer.rules[called[name]] = [rhs_of(node, writer, style, called, blanks)]
        return (called["root"], *blanks)

    judge = None
    if kind == "contextual":
        reference = lark.Lark(source, parser="lalr")
        judge = partial(is_parsed, reference)
    return Texts(made, write, f"{kind} {source!r}", judge=judge)


def is_parsed(reference: lark.Lark, text: str) -> bool:
    try:
        reference.parse(text)
    except lark.exceptions.UnexpectedInput:
        return False
    return True


def has_conflicts(source: str) -> bool:
    """Return whether lark decides between two ways to read a text: its texts are then not all that the rules
    derive."""
    said: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = said.append  # type: ignore[method-assign]
    level = lark.logger.level
    handlers, lark.logger.handlers = lark.logger.handlers, [handler]
    lark.logger.setLevel(logging.DEBUG)
    try:
        lark.Lark(source, parser="lalr", debug=True)
    except lark.exceptions.LarkError:
        return True
    finally:
        lark.logger.setLevel(level)
        lark.logger.handlers = handlers
    return any("conflict" in one.getMessage().lower() for one in said)


def _gbnf(nodes: dict[str, Node]) -> str:
    def node_text(node: Node) -> str:
        match node[0]:
            case "rule":
                return str(node[1])
            case "text":
                return _quoted(node[1])
            case "chars":
                return "(" + " | ".join(map(_quoted, node[1])) + ")"
            case "cat":
                return "(" + " ".join(map(node_text, node[1])) + ")"
            case "alt":
                return "(" + " | ".join(map(node_text, node[1])) + ")"
        count = _COUNTS.get(node[2:]) or f"{{{node[2]},{node[3]}}}"
        return f"({node_text(node[1])}){count}"

    return "\n".join(f"{name} ::= {node_text(node)}" for name, node in nodes.items())


def balanced(chance: random.Random) -> Texts:
    """Return a grammar that counts, of a kind that is surely no automaton."""
    opened, closed = chance.choice(
        [("(", ")"), ('"', "\\"), ("é", "🙂"), ("a", "b"), ("\n", '"'), ("\\", "n"), ("a", "a")]
    )
    middle = chance.choice(["", "c", '"', "\\"])
    kind = chance.choice(["ebnf", "characters", "contextual"])
    if kind == "contextual":
        middle = chance.choice(["c", "é", "0"])
    parts = [_quoted(one) for one in (opened, closed)]
    base = _quoted(middle) if middle else ""
    if kind == "ebnf":
        source = f"root ::= {base or chr(34) * 2} | {parts[0]} root {parts[1]}"
        made: Any = sg.ebnf(source)
    else:
        source = f"start: {base} | {parts[0]} start {parts[1]}\n"
        made = sg.lark(source, lexer=kind)

    def write(writer: Writer, style: str) -> Rhs:
        name = writer.name()
        char = [Chars(frozenset(one), False, style) for one in (opened, closed, *middle)]
        writer.rules[name] = [tuple(char[2:]), (char[0], name, char[1])]
        return (name,)

    return Texts(made, write, f"{kind} {source!r}")


def narrowed(chance: random.Random) -> Texts:
    """Return what operators leave of a grammar."""
    kind = chance.choice(["&", "-", "without", "short", "~"])
    if kind == "short":
        opened, closed, middle = chance.choice(["()c", 'ab"', '"\\é', "\\n0", "aab"])
        parts = [_quoted(one) for one in (opened, closed, middle)]
        if chance.random() < 0.5:
            source = f"root ::= {parts[2]} | {parts[0]} root {parts[1]}"
            made = sg.ebnf(source)
        else:
            source = f"start: {parts[2]} | {parts[0]} start {parts[1]}\n"
            made = sg.lark(source)
        most = chance.randint(1, 6)
        every = [opened * n + middle + closed * n for n in range(4) if 2 * n + 1 <= most]
        return of_every(made & sg.regex(f"(?s:.{{0,{most}}})"), every, f"{source!r} & .{{0,{most}}}")
    if kind == "~":
        words = chance.sample(["", "a", '"', "é", "ab"], 2)
        every = [one for one in ("", "a", '"', "é") if one not in words]
        return of_every(sg.regex('[a"é]?') & ~sg.choice(words), every, f"~ {words!r}")
    one = texts(chance, 0)
    if one.every is None:
        return one
    letters = sorted(set("".join(one.every))) or ["a"]
    if kind == "&":
        kept = "".join(chance.sample(letters, min(2, len(letters))))
        every = [text for text in one.every if set(text) <= set(kept)]
        made = one.grammar & sg.regex(f"({'|'.join(map(_re_text, kept))})*")
    elif kind == "-":
        less = chance.sample(one.every, min(2, len(one.every)))
        every = [text for text in one.every if text not in less]
        made = sg.sequence(one.grammar) - sg.choice(less)
    else:
        banned = chance.choice(letters) + chance.choice(["", *letters])
        every = [text for text in one.every if banned not in text]
        made = sg.without(sg.sequence(one.grammar), [banned])
    return of_every(made, every, f"{kind} {one.what} {every!r}")


def json_text(chance: random.Random) -> Texts:
    """Return a JSON text inside a string."""
    one = chance.randrange(3)
    if one == 0:
        values: list[Any] = chance.sample([1, "a", "é", None, True, [], {"a": 1}, 'q"', 12], 3)
        texts = [json.dumps(value, ensure_ascii=False, separators=(",", ":")) for value in values]
        made = sg.json_schema({"enum": values}, whitespace="compact", numbers="plain", escapes="utf8")
        return of_every(made, texts, f"json enum {values!r}")
    if one == 1:
        schema: Any = {"type": "array", "items": {"enum": [0, "a"]}, "maxItems": 2}
        items = ["0", '"a"']
        texts = ["[]", *(f"[{a}]" for a in items), *(f"[{a},{b}]" for a in items for b in items)]
        made = sg.json_schema(schema, whitespace="compact", numbers="plain", escapes="utf8")
        return of_every(made, texts, "json items")
    schema = {
        "$ref": "#/$defs/n",
        "$defs": {"n": {"type": "array", "items": {"$ref": "#/$defs/n"}, "maxItems": 1}},
    }

    def write(writer: Writer, style: str) -> Rhs:
        name = writer.name()
        first, last = (Chars(frozenset(one), False, style) for one in "[]")
        writer.rules[name] = [(first, last), (first, name, last)]
        return (name,)

    return Texts(sg.json_schema(schema, whitespace="compact"), write, "json brackets")


def composed(chance: random.Random, depth: int = 1) -> Texts:
    of = [texts(chance, depth - 1) for _ in range(2)]
    kind = chance.choice(["sequence", "either", "repeat", "literal", "optional"])

    def sides(writer: Writer, style: str) -> list[Rhs]:
        return [one.write(writer, style) for one in of]

    if kind == "sequence":
        made = sg.sequence(of[0].grammar, "-", of[1].grammar)
        dash = "-"

        def write(writer: Writer, style: str) -> Rhs:
            one, other = sides(writer, style)
            return (*one, Chars(frozenset(dash), False, style), *other)
    elif kind == "literal":
        made = sg.sequence(of[0].grammar, of[1].grammar)

        def write(writer: Writer, style: str) -> Rhs:
            one, other = sides(writer, style)
            return (*one, *other)
    elif kind == "either":
        made = sg.either(of[0].grammar, of[1].grammar)

        def write(writer: Writer, style: str) -> Rhs:
            return writer.either(sides(writer, style))
    else:
        least, most = (0, 1) if kind == "optional" else chance.choice([(1, 2), (0, 2), (2, None), (1, None)])
        made = sg.sequence(of[0].grammar).repeat(least, most)

        def write(writer: Writer, style: str) -> Rhs:
            return writer.counted(of[0].write(writer, style), least, most)

    return Texts(made, write, f"{kind}({', '.join(one.what for one in of)})")


def texts(chance: random.Random, depth: int = 1) -> Texts:
    """Return a random grammar of strings. Raises the errors of grammars that are refused."""
    kinds: list[Callable[[random.Random], Texts]] = [
        regex, choice, substring, balanced, balanced, json_text,
        lambda chance: rules(chance, "ebnf"),
        lambda chance: rules(chance, "characters"),
        lambda chance: rules(chance, "contextual"),
    ]  # fmt: skip
    if depth:
        kinds += [lambda chance: composed(chance, depth)] * 3 + [narrowed]
    return chance.choice(kinds)(chance)


BLANK = " \t\r\n"


@dataclass
class Case:
    """A schema that is being drawn, with the rules of its documents."""

    chance: random.Random
    whitespace: Any
    escapes: str
    order: str
    writer: Writer = field(default_factory=Writer)
    grammars: list[Texts] = field(default_factory=list)
    held: list[Texts] = field(default_factory=list)
    """Drawn grammars, some to be drawn again."""
    _gap: Rhs = ()

    # --- what stands between two tokens of JSON ---

    def gap(self) -> Rhs:
        if self.whitespace in ("compact", "oneline"):
            return ()
        if not self._gap:
            self._gap = self.writer.star(self.writer.either([(ord(one),) for one in BLANK]))
        return self._gap

    def mark(self, text: str) -> Rhs:
        """Return a punctuation mark, with what stands behind it."""
        rest = tuple(b" ") if self.whitespace == "oneline" and text in ",:" else ()
        return (*text.encode(), *rest)

    # --- strings ---

    @property
    def key_style(self) -> str:
        return "utf8" if self.escapes == "canonical" else self.escapes

    @property
    def style(self) -> str:
        return "any" if self.escapes == "canonical" else self.escapes

    def of_text(self, text: str) -> Rhs:
        """Return a key or a constant."""
        return (34, *(Chars(frozenset(one), False, self.key_style) for one in text), 34)

    def drawn(self) -> Texts:
        if self.held and self.chance.random() < 0.25:
            return self.chance.choice(self.held)
        while True:
            try:
                made = texts(self.chance)
            except sg.StructgenError:
                continue
            self.held.append(made)
            return made

    def string(self) -> tuple[Any, Rhs]:
        """Return a schema of a string with a grammar, and its rule's side."""
        made = self.drawn()
        schema: dict[str, Any] = {"x-grammar": made.grammar.keyword}
        if self.chance.random() < 0.8:
            schema["type"] = "string"
        self.grammars.append(made)
        every = made.every
        if every and "type" in schema and self.chance.random() < 0.4:
            limit = self.chance.randrange(4)
            kind = self.chance.choice(["minLength", "maxLength", "pattern", "allOf", "enum"])
            if kind == "pattern":
                letter = self.chance.choice((self.chance.choice(every) or "a")[:1] + "a")
                schema["pattern"] = _re_text(letter)
                every = [one for one in every if letter in one]
            elif kind == "enum":
                some = [*self.chance.sample(every, min(2, len(every))), "zz"]
                schema["enum"] = some
                every = [one for one in every if one in some]
                return schema, (34, *trie(self.writer, every, self.key_style), 34) if every else (self.none,)
            elif kind == "allOf":
                try:
                    other = choice(self.chance)
                except sg.StructgenError:
                    other = of_every(sg.choice(["a", "b"]), ["a", "b"], "choice")
                both = other.every or []
                self.grammars.append(other)
                schema = {"allOf": [schema, {"x-grammar": other.grammar.keyword}]}
                every = [one for one in every if one in both]
            else:
                schema[kind] = limit
                every = [
                    one for one in every if (len(one) >= limit if kind == "minLength" else len(one) <= limit)
                ]
            return schema, (34, *trie(self.writer, every, self.style), 34) if every else (self.none,)
        side = (34, *made.write(self.writer, self.style), 34)
        if "type" not in schema:
            # numbers and so on are not spoken of: bound them
            schema = {"allOf": [schema, {"type": ["string", "null"]}]}
            return schema, self.writer.either([side, tuple(b"null")])
        return schema, side

    @property
    def none(self) -> str:
        """A rule without texts."""
        return self.writer.name()

    def place(self) -> tuple[Any, Rhs]:
        """Return a schema of a string or one of a few other things."""
        schema, side = self.string()
        kind = self.chance.randrange(9)
        if kind == 0:
            other, beside = self.string()
            return {"anyOf": [schema, other]}, self.writer.either([side, beside])
        if kind == 1 and self.escapes != "canonical":
            return {"anyOf": [schema, {"enum": [1, True, "a", "zz"]}]}, self.writer.either(
                [side, tuple(b"1"), tuple(b"true"), self.of_text("a"), self.of_text("zz")]
            )
        if kind == 2 and schema.get("type") == "string" and "enum" not in schema:
            return schema | {"type": ["string", "null"]}, self.writer.either([side, tuple(b"null")])
        if kind == 3:
            return {"anyOf": [schema, {"type": "null"}]}, self.writer.either([side, tuple(b"null")])
        if kind == 4:
            letters = [Chars(frozenset("ab"), False, self.style)]
            plain = self.writer.counted(tuple(letters), 1, 2)
            return {"anyOf": [schema, {"type": "string", "pattern": "^[ab]{1,2}$"}]}, self.writer.either(
                [side, (34, *plain, 34)]
            )
        return schema, side

    # --- arrays and objects ---

    def value(self, depth: int) -> tuple[Any, Rhs]:
        kind = self.chance.randrange(8) if depth else 0
        if kind <= 2:
            return self.place()
        if kind == 3:
            return self.items(depth)
        if kind == 4:
            return self.prefix_items(depth)
        if kind == 5:
            return self.keyed(depth)
        return self.object(depth)

    def items(self, depth: int) -> tuple[Any, Rhs]:
        is_unique = self.chance.random() < 0.3
        least, most = self.chance.choice([(0, 2), (1, 2), (1, 3), (0, None), (2, None)])
        if is_unique:
            made = self.drawn()
            every = made.every
            if every and len(every) <= 4:
                self.grammars.append(made)
                most = most or 3
                ways = []
                for count in range(least, min(most, 3) + 1):
                    for some in itertools.permutations(every, count):
                        way: Rhs = ()
                        for at, text in enumerate(some):
                            string = (34, *(Chars(frozenset(one), False, self.style) for one in text), 34)
                            way = (
                                *way,
                                *(self.mark(",") if at else ()),
                                *self.gap(),
                                *string,
                                *self.gap(),
                            )
                        ways.append(way)
                schema: Any = {
                    "type": "array",
                    "items": {"type": "string", "x-grammar": made.grammar.keyword},
                    "uniqueItems": True,
                    "minItems": least,
                    "maxItems": min(most, 3),
                }
                inner = self.writer.either(ways) if ways else (self.none,)
                return schema, self._array(inner, least == 0)
        of, side = self.value(depth - 1)
        item = (*self.gap(), *side)
        ways = []
        if most is None:
            rest = self.writer.star((*self.gap(), *self.mark(","), *item))
            first = item
            for _ in range(max(least, 1) - 1):
                first = (*first, *self.gap(), *self.mark(","), *item)
            ways.append((*first, *rest, *self.gap()))
        else:
            for count in range(max(least, 1), most + 1):
                way = item
                for _ in range(count - 1):
                    way = (*way, *self.gap(), *self.mark(","), *item)
                ways.append((*way, *self.gap()))
        if least == 0:
            ways.append(())
        schema = {"type": "array", "items": of, "minItems": least}
        if most is not None:
            schema["maxItems"] = most
        return schema, self._array(self.writer.either(ways), least == 0)

    def _array(self, inner: Rhs, may_be_empty: bool) -> Rhs:
        if may_be_empty:
            return (ord("["), *self.writer.either([(*self.gap(), ord("]")), (*inner, ord("]"))]))
        return (ord("["), *inner, ord("]"))

    def prefix_items(self, depth: int) -> tuple[Any, Rhs]:
        count = self.chance.randint(1, 2)
        parts = [self.value(depth - 1) for _ in range(count)]
        way: Rhs = ()
        for at, (_, side) in enumerate(parts):
            way = (*way, *((*self.gap(), *self.mark(",")) if at else ()), *self.gap(), *side)
        way = (*way, *self.gap())
        return {
            "type": "array",
            "prefixItems": [one for one, _ in parts],
            "items": False,
            "minItems": count,
        }, (ord("["), *way, ord("]"))

    def members(self, found: list[tuple[str, Rhs, bool]], order: str) -> Rhs:
        """Return what stands between the braces: members by key, each with whether it is required."""
        ways: list[Rhs] = []
        needed = {key for key, _, is_needed in found if is_needed}
        for count in range(len(found) + 1):
            some = (
                itertools.permutations(found, count)
                if order == "any"
                else itertools.combinations(found, count)
            )
            for one in some:
                if not needed <= {key for key, _, _ in one}:
                    continue
                way: Rhs = ()
                for at, (key, side, _) in enumerate(one):
                    comma = (*self.gap(), *self.mark(",")) if at else ()
                    way = (
                        *way,
                        *comma,
                        *self.gap(),
                        *self.of_text(key),
                        *self.gap(),
                        *self.mark(":"),
                        *self.gap(),
                        *side,
                    )
                ways.append((*way, *self.gap()))
        return self.writer.either(ways)

    def object(self, depth: int) -> tuple[Any, Rhs]:
        keys = self.chance.sample(["x", "y", "xy", "é", 'q"'], self.chance.randint(1, 3))
        parts = {key: self.value(depth - 1) for key in keys}
        needed = [key for key in keys if self.chance.random() < 0.5]
        found = [(key, side, key in needed) for key, (_, side) in parts.items()]
        side = self.members(found, self.order)
        schema = {
            "type": "object",
            "properties": {key: one for key, (one, _) in parts.items()},
            "additionalProperties": False,
        }
        if needed:
            schema["required"] = needed
        return schema, (ord("{"), *side, ord("}"))

    def keyed(self, depth: int) -> tuple[Any, Rhs]:
        """Return an object whose keys meet a pattern."""
        of, side = self.place()
        found = [(key, side, False) for key in ("k1", "k2")]
        inner = self.members(found, "any")
        if self.chance.random() < 0.5:
            schema: Any = {"patternProperties": {"^k[12]$": of}, "additionalProperties": False}
        else:
            schema = {"propertyNames": {"enum": ["k1", "k2"]}, "additionalProperties": of}
        return {"type": "object", **schema}, (ord("{"), *inner, ord("}"))

    def recursive(self) -> tuple[Any, Rhs]:
        """Return a schema that recurs beside strings."""
        name = self.writer.name()
        of, side = self.place()
        to, is_last = (name,), self.chance.random() < 0.5
        found = [("v", side, True), ("n", to, False)]
        properties: dict[str, Any] = {"v": of, "n": {"$ref": "#/$defs/t"}}
        if not is_last:
            found.reverse()
            properties = dict(reversed(properties.items()))
        inner = self.members(found, self.order)
        self.writer.rules[name] = [(ord("{"), *inner, ord("}"))]
        schema = {
            "type": "object",
            "properties": properties,
            "required": ["v"],
            "additionalProperties": False,
        }
        return {"$ref": "#/$defs/t", "$defs": {"t": schema}}, (name,)


@dataclass
class Subject:
    """A schema of strings of grammars, compiled, with its oracle."""

    schema: Any
    options: dict[str, Any]
    rules: dict[str, list[Rhs]]
    grammars: list[Texts]
    tokens: list[bytes | None]
    end: int

    def __str__(self) -> str:
        said = "\n".join(f"  {json.dumps(one.grammar.keyword)[:90]} = {one.what}" for one in self.grammars)
        long = [one for one in self.tokens if one and len(one) > 1]
        return f"{json.dumps(self.schema)}\n{self.options}\n{said}\n{long}"

    def compiled(self) -> sg.CompiledGrammar:
        grammar = sg.json_schema(self.schema, **self.options)
        return sg.compile(grammar, self.tokenizer, store=False)

    @property
    def tokenizer(self) -> sg.Tokenizer:
        return sg.Tokenizer.from_bytes(self.tokens, eos_token_id=self.end)

    @property
    def missing(self) -> frozenset[int]:
        return frozenset(range(256)) - {byte for one in self.tokens if one for byte in one}

    def start(self) -> Prefix | None:
        grammar = Grammar(self.rules, self.missing)
        return None if grammar.is_empty else Prefix.start(grammar)


def subject(seed: Any) -> Subject:
    """Return a random subject."""
    chance = random.Random(f"string grammars {seed}")
    whitespace = chance.choice(["compact", "compact", "oneline", "any"])
    order = chance.choice(["declared", "declared", "any"])
    case = Case(chance, whitespace, chance.choice(["canonical", "utf8", "ascii", "any"]), order)
    if chance.random() < 0.15:
        schema, side = case.recursive()
    else:
        schema, side = case.value(2) if chance.random() < 0.3 else case.object(2)
    case.writer.rules["root"] = [(*case.gap(), *side, *case.gap())]
    options = {"whitespace": whitespace, "escapes": case.escapes, "property_order": order, "strict": None}
    tokens = drawn_tokens(chance, case)
    return Subject(schema, options, case.writer.rules, case.grammars, tokens, len(tokens) - 1)


def some_text(chance: random.Random, case: Case) -> bytes:
    """Return a random document, mostly, as the rules say it."""
    grammar = Grammar(case.writer.rules)
    if grammar.is_empty:
        return b""
    at, text = Prefix.start(grammar), b""
    for _ in range(chance.randint(4, 40)):
        found = [byte for byte in range(256) if at.after(byte) is not None]
        if not found:
            break
        byte = chance.choice(found)
        after = at.after(byte)
        assert after is not None
        at, text = after, text + bytes((byte,))
    return text


ODD = [
    b'","', b'{"x":"', b'{"x": "', b'"}', b'": "', b"\\u00", b"\\u", b"\\\\", b'\\"', b'"\\', b'\\"}', b"\\n",
    b"61", b"\xc3", b"\xa9\xc3", b"\xa9", b"\xf0\x9f", b"\x99\x82", b"\xa9\"", b"\\ud83d\\ude", b"42", b"00",
    b'a"', b'"a', b'""', b'","y":"', b"ab", b'a","', b'["', b'"]', b'"],', b'", "',
    b"\\u0061", b"\\u006", b"1\\u0062",
    b"n", b"null", b'null,"', b"(((", b"))", b"()", b'\\\\"', b"\\\\\\", b"\xe9\xa6", b"\x99a", b"  ", b" \"",
    b": ",    b'"k1":"', b'{"k', b'\\\\",', b'\\/', b'/"',
]  # fmt: skip


def drawn_tokens(chance: random.Random, case: Case) -> list[bytes | None]:
    """Return a vocabulary: single bytes, odd tokens, and pieces of documents; then an end."""
    single = [bytes((byte,)) for byte in range(256)]
    absent: set[int] = set()
    kind = chance.random()
    if any("[^" in one.what for one in case.grammars):
        pass  # the oracle of what is denied knows no missing bytes
    elif kind < 0.15:
        absent = set(chance.sample(b"abcdef0123456789()u/n\xc3\xa9\xf0\x9f\xe9", chance.randint(1, 3)))
    elif kind < 0.2:
        absent = set(b"\\")
    elif kind < 0.25:
        absent = set(range(0x80, 0x100))
    pieces = set(chance.sample(ODD, chance.randint(0, 12)))
    for _ in range(3):
        text = some_text(chance, case)
        for _ in range(4):
            if len(text) > 2:
                at = chance.randrange(len(text) - 1)
                pieces.add(text[at : at + chance.randint(2, 9)])
    every = [*single, *sorted(pieces)]
    chance.shuffle(every)
    kept = [one for one in every if absent.isdisjoint(one)]
    return [*kept, None]


def walks(one: Subject, chance: random.Random, start: Prefix, length: int) -> Iterator[tuple[bytes, Prefix]]:
    """Yield the places of one walk through the documents: what was read, and the oracle there."""
    at: Prefix = start
    text = b""
    for _ in range(length):
        yield text, at
        found = [(token, after) for token in one.tokens if token and (after := at.read(token)) is not None]
        if not found:
            return
        weights = [len(token) ** 2 for token, _ in found]
        token, at = chance.choices(found, weights)[0]
        text += token
