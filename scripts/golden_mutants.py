"""Small faults, seeded one at a time into a copy of structgen: each must turn the golden cases red.

A mutant that stays green is a case that is missing in tests/golden. Those of compiled code have the inner
loops compiled anew, some minutes each.
"""

from __future__ import annotations

from mutants import Mutant

MUTANTS = (
    Mutant(
        "maxProperties is one less",
        "schema/recogniser/objects.py",
        "max(shape.lo, count + missing) > shape.hi:",
        "max(shape.lo, count + missing) >= shape.hi:",
        ("schema/object/m*",),
    ),
    Mutant(
        "maxItems lets one more come",
        "schema/recogniser/array_progress.py",
        "index >= shape.hi):\n            return []",
        "index > shape.hi):\n            return []",
        ("schema/array/[me]*",),
    ),
    Mutant(
        "minItems is one less",
        "schema/recogniser/array_progress.py",
        "if count < shape.lo or (",
        "if count + 1 < shape.lo or (",
        ("schema/array/[me]*",),
    ),
    Mutant(
        "minContains is one less",
        "schema/recogniser/array_progress.py",
        "if any(n < counter.least for",
        "if any(n + 1 < counter.least for",
        ("schema/array/*contains*",),
    ),
    Mutant(
        "exclusiveMinimum takes its bound",
        "schema/meaning/scalars.py",
        "Interval(schema.exclusive_minimum, None, open_low=True)",
        "Interval(schema.exclusive_minimum, None, open_low=False)",
        ("schema/number/*", "schema/integer/*"),
    ),
    Mutant(
        "minLength refuses a constant of its length",
        "schema/meaning/scalars.py",
        "return least <= len(text) and",
        "return least < len(text) and",
        ("schema/enum/*",),
    ),
    Mutant(
        "equal lengths are no length",
        "json_machine/answers/expander.py",
        "if most >= 0 and least > most:",
        "if most >= 0 and least >= most:",
        ("schema/string/*",),
    ),
    Mutant(
        "a required key of a plain object is forgotten",
        "json_machine/answers/expander.py",
        "needed[at] = at if plain.required[at] else needed[at + 1]",
        "needed[at] = needed[at + 1]",
        ("schema/object/re*", "sample/*"),
    ),
    Mutant(
        "a budget allows one token less",
        "json_grammars/completion/token_costs.py",
        "over = int(costs.max(initial=most)), some[costs[which] > left]",
        "over = int(costs.max(initial=most)), some[costs[which] >= left]",
        ("schema/object/*", "policy/*"),
    ),
    Mutant(
        "an address of IPv6 has one group less",
        "automata/formats/named_formats.py",
        "for before in range(9 - least_hidden):",
        "for before in range(8 - least_hidden):",
        ("schema/format/ip*",),
    ),
    Mutant(
        "twenty keys are nineteen",
        "json_machine/expected.py",
        "MOST = 20\n",
        "MOST = 19\n",
        ("schema/object/many*",),
    ),
    Mutant(
        "the longest rest counts as the shortest",
        "text_grammars/context_free/shortest_rests.py",
        "if best is None or length <= best[0]:",
        "if best is None or length >= best[0]:",
        ("ebnf/*",),
    ),
    Mutant(
        "a span may not be one character",
        "text_grammars/substrings.py",
        "return state > 0 and not read",
        "return state > 1 and not read",
        ("text/span*",),
    ),
    Mutant(
        "a control character has no escape",
        "text_grammars/composition/json_escapes.py",
        "return point < 0x20 and point not in _LETTER",
        "return point < 0x1F and point not in _LETTER",
        ("composed/json-string*",),
    ),
    Mutant(
        "one or more is none or more",
        "text_grammars/context_free/ebnf_reader.py",
        "least, most, self.at = 1, None, self.at + 1",
        "least, most, self.at = 0, None, self.at + 1",
        ("ebnf/*",),
    ),
    Mutant(
        "repeats count from one more",
        "text_grammars/text_grammar.py",
        "combined.RepeatedLanguage(copy, grammar.least, grammar.most)",
        "combined.RepeatedLanguage(copy, grammar.least + 1, grammar.most)",
        ("composed/*repeat*",),
    ),
    Mutant(
        "any_text may be one longer",
        "text_grammars/composition/structural_tags.py",
        r"[\s\S]{{0,{chars}}}$",
        r"[\s\S]{{0,{chars + 1}}}$",
        ("tag/*",),
    ),
    Mutant(
        "low priorities of terminals go first",
        "lark_grammars/reading/lark_loader.py",
        "return -terminal.priority, -pattern.max_width",
        "return terminal.priority, -pattern.max_width",
        ("lark/priority*", "lark/keyword"),
    ),
    Mutant(
        "the last byte of a token of JSON is not read (compiled)",
        "json_machine/masks/state_walk.py",
        "start, end = offsets[token], offsets[token + 1]\n    code =",
        "start, end = offsets[token], offsets[token + 1] - 1\n    code =",
        ("schema/type/*",),
    ),
    Mutant(
        "the last byte of a token is not read (compiled)",
        "text_grammars/machine/stepping.py",
        "        for at in range(offsets[token], offsets[token + 1]):\n            reached = follow",
        "        for at in range(offsets[token], offsets[token + 1] - 1):\n            reached = follow",
        ("text/*", "regex/*"),
    ),
)
