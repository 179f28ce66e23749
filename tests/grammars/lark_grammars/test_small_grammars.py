"""Small grammars, each of which goes wrong in a parser or a lexer that is nearly lark's: all short texts, and
the completion of each beginning, are held to lark."""

from __future__ import annotations

import pytest
from lark.indenter import PythonIndenter
from lark_reference import after, build, differences, takes
from lark_traps import TRAPS

import structgen as sg
from structgen.base.limits import Limits
from structgen.grammars.lark_grammars.compiled.compiled_lark import CompiledLark
from structgen.grammars.text_grammars.machine.language import Language

PARSER = {
    # what is shifted rather than ended nests for ever, and the outer rules come to nothing
    "a rule that takes what others need": (
        'start.1:  | "c" y y+ | x\nx: y "ab"+ |\ny: "a" "a" | "ab" "c"* x\n',
        "abc",
        6,
    ),
    "all the closing ones are the innermost's": ('start: x\nx: "a" x "b"+ | "c"\n', "abc", 7),
    "a closing one that is lost": ('start: x "d"\nx: "a" x "b"+ | "c" ("b" "d")?\n', "abcd", 6),
    "lexemes that swallow what comes": ('start: x\nx: "a" x B | "a" B\nB: /b+/\n', "ab", 8),
    "one of two texts below": ('start: "1" x "b" | "2" x\nx: "a" x "b"+ | "c"\n', "12abc", 5),
    "two texts below": ('start: "1" x "b" | "2" x\nx: "a" x | "c"\n', "12abc", 5),
    "other brackets below": (
        'start: x\nx: "(" x ")" | "[" x "]" | "a" y\ny: "(" y "]" | "[" y ")" | x "b" | "c"\n',
        "()[]abc",
        4,
    ),
    "rules that end together": (
        'start: x "d" | y "e"\nx: "a" x | "a" "b"\ny: "a" y "c" | "b" "c"\n',
        "abcde",
        5,
    ),
    "repeats": ('start: "1" (x "b")* | "2" (x "b" "b")+\nx: "a" x? "c" | "d"\n', "12abcd", 5),
    "an empty rule": ('start: x "b"\nx: "a" e x | "c"\ne: "1" |\n', "abc1", 6),
    "the two cheapest ends lead nowhere": (
        'start: "a" tail "!"\ntail: "b" | "c" more | dead\nmore: "d" | "e" | dead\n'
        "dead: BAD dead\nBAD.2: /[bd]!/\n",
        "abcde!",
        4,
    ),
    "a name as near to its end as the start": (
        'start: (sum | NAME) ";"\nsum: left "+" NAME\nleft: sum | NAME\nNAME: /[a-c]+/\n%ignore " "\n',
        "ab+; ",
        5,
    ),
    "three rules that go round together": (
        'start: value ";"\nvalue: call | access | NAME\ncall: called "(" value? ")"\n'
        'called: access | call | NAME\naccess: accessed "." NAME\naccessed: call | NAME | access\n'
        'NAME: /[a-c]+/\n%ignore " "\n',
        "a.(); ",
        5,
    ),
    # an action is lost to a conflict: a brace behind "s" is the literal's, so `type` ends before no block
    "a shift that takes a block": (
        'start: "i" value block\nvalue: type | type_literal\ntype: "s"\ntype_literal: "s" literal\n'
        'literal: "{" "}"\nblock: "{" "}"\n%ignore " "\n',
        "is{} ",
        6,
    ),
    "a reduction by priority": (
        'start: value ";"\nvalue: operand | type\noperand.2: NAME | "(" operand ")" "?"\n'
        'type: NAME | "(" type ")"\nNAME: /[a-c]+/\n%ignore " "\n',
        "a()?; ",
        5,
    ),
    "a list as near to its end as what is around it": (
        'start: "i" "(" list NAME ")"\nlist: NAME "," | list | list NAME ","\nNAME: /[a-c]+/\n%ignore " "\n',
        "ia(,) ",
        5,
    ),
    "what may follow, merged": (
        'start: "(" value "x" | "[" value | value\nvalue: NAME | NAME "x"\nNAME: /[a-c]+/\n%ignore " "\n',
        "([ax ",
        6,
    ),
    "a bracket that is one more of the type's": (
        'start: type ";" | "j" "[" (type | NAME) "]"\ntype: "i" dims\ndims: "[" "]"+\n'
        'NAME: /[a-c]+/\n%ignore " "\n',
        "ij[]a; ",
        5,
    ),
    "a text that lark takes for another rule's part": (
        'start: "[" NAME "]" x "b" "c"\nx: "a" | "a" "b"\nNAME: /[x-z]+/\n',
        "[]xabc",
        5,
    ),
    "a terminal that no text is": ('start: "a" "b" | M N "b"\nM: "m"\nN: /[^\\s\\S]/\n', "abm", 4),
    "a rule that never ends": ('start: "a" "b" | M n\nn: "b" n\nM: "m"\n', "abm", 5),
    "two rules under way that never end": (
        'start: "a" "b" | M n "c" | M k\nn: n n\nk: k "b" k\nM: "m"\n',
        "abcm",
        5,
    ),
    "a blank before what no text is": (
        'start: "a" | MARGIN NONE "b"\nMARGIN: / +/\nNONE: /[^\\s\\S]/\n%ignore /#+/\n',
        "ab #",
        5,
    ),
    "conflicts that close a place": (
        'start: call+\ncall: (NAME | access | method) "(" [expr ("," expr)*] ")"\nmethod: expr "." NAME\n'
        '?expr: expr "is" expr | expr "==" expr | atom | access\n'
        '?atom: "[" [expr ("," expr)*] "]" | call | "(" expr ")"\naccess: NAME "." NAME\n'
        "%import common.CNAME -> NAME\n",
        "a[].i(s)",
        4,
    ),
}
LEXER = {
    "a text that may open": ("start: (A|B)+\nA: /<(.*>)?/\nB: /[^<]/\n", "<>a\n", 6),
    "two that may open": ("start: (A|B|C)+\nA: /<(.*>)?/\nB: /[^<\\[]/\nC: /\\[(.*\\])?/\n", "<>[]", 5),
    "one that ends with what others begin": ("start: (A|B)+ C\nA: /a(b*c)?/\nB: /b/\nC: /cb?/\n", "abc", 7),
    "two that owe different things": ("start: (A|B|C)+\nA: /a(b*c)?/\nB: /b(a*d)?/\nC: /[cd]/\n", "abcd", 5),
    "behind an ignored one": ('start: (A B)+\nA: /a( *b)?/\nB: /b+/\n%ignore " "\n', "ab ", 7),
    "one waits for what the next waits for": (
        "start: (A | B)+\nA: /a(?=.*c)|a(?=.*b)/\nB: /[bc]/\n",
        "abc",
        7,
    ),
    "they wait for different things": (
        "start: (A | B | C)+\nA: /a(?=.*c)/\nB: /b(?=.*d)/\nC: /[cd]/\n",
        "abcd",
        6,
    ),
    "a lexeme that may go on": ("start: (A A)+\nA: /a(.*b)?/\n", "ab", 9),
    "all of them at once": ('start: A ("," A)*\nA: /(?=.*a)(?=.*b)[a-c]{2,4}/\n', "ab,", 7),
    "a negative look-ahead of some characters": (
        "start: (A | B)+\nA: /(a(?!.{3}c)|b)+/\nB: /[abc]/\n",
        "abc",
        7,
    ),
    "an end that is sure later": (
        'start: (OPEN END | "a" END "c")+ "b"\nOPEN: /a"*?(?=")(?!""")/\nEND: /"/\n%ignore "c"\n',
        'a"bc',
        7,
    ),
    "a quoted text that another lexeme ends": (
        'start: ("@" OPEN END ";")+\nOPEN: /f"[a-c]*(?=")(?!"")/\nEND: /"/\n%ignore " "\n',
        '@f"a; ',
        6,
    ),
    "a line that goes on behind its break": (
        'start: ("@" NAME _NEWLINE)+\nNAME: /[a-c]+/\n_NEWLINE: /(\\n *)+/\n%ignore /\\\\\\n(?=[^\\n ])/\n',
        "@a\\\n ",
        6,
    ),
    "a break that blanks are a part of": (
        'start: (NAME "=" NAME _end)+\n_end: _BREAK | ";;"\n_BREAK: /(\\n *)+/\n'
        'NAME: /[a-c]+/\n%ignore " "\n',
        "a=;\n ",
        6,
    ),
    "nothing keeps lexemes apart": (
        'start: (WORD "=" (NUM | WORD) ";")+\nWORD: /[a-z]+(?![0-9])/\nNUM: /[0-9]+(\\.[0-9]+)?/\n',
        "a1=;.",
        6,
    ),
}
_BLOCKS = r"""
start: block+
block: "a" _NEWLINE (_INDENT block+ _DEDENT)? | "(" block? ")" _NEWLINE
_NEWLINE: /(\n *)+/
%declare _INDENT _DEDENT
"""
_LAST = r"""
start: stmt+
stmt: NAME _NEWLINE
    | "f" ":" block
    | "t" ":" block "n" NAME _NEWLINE
block: _NEWLINE _INDENT stmt+ _last? _DEDENT
     | _NEWLINE _INDENT _last _DEDENT
_last: NAME
NAME: /[a-c]+/
_NEWLINE: /(\n *)+/
%ignore /[\f ]+/
%declare _INDENT _DEDENT
"""
_COMMENTS = r"""
start: (NAME ">" NAME _NEWLINE (_INDENT NAME _NEWLINE _DEDENT)?)+
NAME: /[a-c]+/
_NEWLINE: /([ ]*(#[^\n]*)?\n)+ */
%ignore /#[^\n]*/
%ignore " "
%declare _INDENT _DEDENT
"""
LINES = {
    "blocks": (_BLOCKS, "a()\n ", 6),
    "a block before what must follow it": (_BLOCKS.replace("start: block+", 'start: block+ "."'), "a.\n ", 6),
    "a block of its own that never ends": (
        'start: "b" _NEWLINE | block\nblock: "a" _NEWLINE _INDENT block _DEDENT\n_NEWLINE: /(\\n *)+/\n'
        "%declare _INDENT _DEDENT\n",
        "ab\n ",
        6,
    ),
    "a line that the text's end alone may end": (_LAST, "aft:\n ", 5),
    "comments alone on a line": (_COMMENTS, "a>#\n ", 5),
}
UNBALANCED = (
    'start: x+\nx: "a" _NEWLINE _INDENT "b" | "c" _NEWLINE\n_NEWLINE: /(\\n *)+/\n%declare _INDENT _DEDENT\n'
)
DEEP = {
    "a line that has begun, behind a DEDENT": (_LAST, "t:\n f:\n  a\n \f"),
    "a line that has begun": (_LAST, "t:\n a\n \f"),
    "a block that may end without a line break": (_LAST, "t "),
    "blocks inside one another": (_LAST, "t:\n f:\n  t:\n   a\n   \f"),
}


def language(grammar: str, **options: object) -> Language:
    """Return the language of a grammar whose calls may take few steps."""
    return sg.lark(grammar, **options).language(Limits(oracle_steps=100_000))  # type: ignore[arg-type]


SHORT_TEXTS = {
    **{f"parser: {name}": (*case, {}) for name, case in PARSER.items()},
    **{f"lexer: {name}": (*case, {}) for name, case in LEXER.items()},
    **{f"lines: {name}": (*case, {"postlex": PythonIndenter()}) for name, case in LINES.items()},
    **{f"trap: {name}": (one.grammar, one.alphabet, one.longest, {}) for name, one in TRAPS.items()},
}


def differing(name: str, less: int) -> list[str]:
    """Return where lark and we differ on texts of `less` letters less than the longest of a case."""
    grammar, alphabet, longest, options = SHORT_TEXTS[name]
    return differences(build(grammar, **options), language(grammar, **options), alphabet, longest - less)


@pytest.mark.parametrize("block", range(8))
def test_all_short_texts_and_completions_are_larks(block: int) -> None:
    """One case in sixteen has its longest texts, half of the others have texts of one letter less."""
    for at, name in enumerate(SHORT_TEXTS):
        if at % 8 == block:
            assert differing(name, at // 8 % 16 and 1 + at // 8 % 2) == [], name


@pytest.mark.slow
@pytest.mark.parametrize("name", SHORT_TEXTS)
def test_all_short_texts_and_completions_are_larks_whole(name: str) -> None:
    assert differing(name, 0) == []


def test_blocks_that_a_rule_opens_and_nothing_closes_are_dead_or_a_named_limit() -> None:
    ours = sg.lark(UNBALANCED, postlex=PythonIndenter).language(Limits(oracle_steps=10_000))
    assert ours.step(ours.start(), ord("c")) is not None
    try:
        assert ours.step(ours.start(), ord("a")) is None
    except sg.errors.LimitError as error:
        assert error.limit == "oracle_steps"


@pytest.mark.parametrize("name", DEEP)
def test_what_is_open_is_completed_as_lark_reads_it(name: str) -> None:
    grammar, text = DEEP[name]
    ours = language(grammar, postlex=PythonIndenter)
    config = after(ours, text.encode(), ours.start())
    assert config is not None
    rest = bytes(ours.shortest_rest(config)).decode()
    assert takes(build(grammar, postlex=PythonIndenter()), text + rest), rest


def test_a_stack_deeper_than_any_that_is_kept_is_known_to_be_dead() -> None:
    ours = language(PARSER["a closing one that is lost"][0])
    assert after(ours, b"a" * 30 + b"c", ours.start()) is None


@pytest.mark.parametrize("count", [1, 2, 3, 5, 10])
def test_what_is_owed_is_followed_only_where_it_is_met(count: int) -> None:
    """Each A that has ended may still go on, and all of them together have exponentially many states."""
    lines = [f"A{i}: /{chr(97 + i)}([a-z]{{0,{i + 2}}}{i})?/\n" for i in range(count)]
    names = "|".join(f"A{i}" for i in range(count))
    grammar = f"start: ({names}|X)+\nX: /[x-z]/\n" + "".join(lines)
    ours = sg.lark(grammar).language(Limits())
    assert after(ours, bytes(range(97, 97 + count)) * 3, ours.start()) is not None
    assert ours.sizes["lexer_states"] < 1000


def test_any_number_of_lexemes_that_may_have_ended_are_few_readings(tokenizer: sg.Tokenizer) -> None:
    compiled = CompiledLark(sg.lark(LEXER["a text that may open"][0]), tokenizer, None, False)
    sizes = []
    for count in (10, 100):
        state = compiled.step_bytes(compiled.start, b"<a<b<<" * count)
        assert state is not None
        sizes.append(len(compiled.readings_of_state(state.index)))
    assert sizes[0] == sizes[1] <= 4
