"""`sg.ebnf`: grammars in EBNF (GBNF of llama.cpp, XGrammar's form) as context-free languages.

A *rule* is a name with alternatives: `root ::= "a" root | "b"`. A rule *derives* the texts that are made by
replacing names by their alternatives: `root` derives `b`, `ab`, `aab` and so on. `ebnf_reader` reads the text
of a grammar; this file checks the options, warns of parts without effect, and returns a `RulesGrammar`.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping

from structgen.automata.strings.alphabets import NUMBERS_OF_A_CHARACTER
from structgen.base.errors import GrammarError, GrammarWarning, options_named, prefix_place, warning_level
from structgen.base.language import checks
from structgen.base.language.remarks import Remarks
from structgen.base.limits import Limits
from structgen.base.system.public_calls import THIS_CALL
from structgen.base.system.text_files import StrPath, grammar_text
from structgen.grammars.text_grammars.context_free.rules import reachable_symbols
from structgen.grammars.text_grammars.ebnf_reader import parse_ebnf
from structgen.grammars.text_grammars.text_grammar import MOST_LETTERS, RulesGrammar


@options_named('sg.ebnf(\'root ::= "a" root | "b"\')')
def ebnf(
    text: StrPath,
    *,
    start: str = "root",
    specials: Mapping[str, int] | None = None,
    limits: Limits | None = None,
) -> RulesGrammar:
    """Return the grammar that a text of EBNF, or a file of that path, describes: what `start` derives.

    The form is that of llama.cpp's GBNF and of XGrammar, with its macros (`text_grammars.ebnf_reader`).
    `specials`: the ids of special tokens by their texts, for tokens that the text names (`<think>`). All
    rules are allowed: ambiguous, left-recursive, nullable, cyclic ones. Of two rules of one name the later
    one counts, with a `GrammarWarning`; a construct without effect has one, too. Raises `GrammarError` with
    line and column, and the errors of regular expressions in it; `LimitError` past `limits.grammar_rules`
    rules. Cost: linear in the text.
    """
    source, file = grammar_text(text, "sg.ebnf", "Write sg.ebnf('root ::= \"a\"').")
    THIS_CALL.count_work(NUMBERS_OF_A_CHARACTER * len(source))
    bounds = checks.check_limits(limits)
    check_mapping = checks.InstanceCheck(Mapping, 'Write specials={"<think>": 7}.')
    special_tokens = check_mapping("specials", specials or {})
    with prefix_place(file, ", "):
        parsed = parse_ebnf(source, bounds.grammar_rules, MOST_LETTERS, special_tokens)
        if start not in parsed.lines:
            raise GrammarError(
                f"The rule {start} does not exist.",
                where="start",
                cure=f"Name one of {', '.join(list(parsed.lines)[:8])}.",
            )
    redefinition = "is defined again: as in llama.cpp, the later rule alone counts. Join the two with |."
    no_effect = "says nothing of texts, and has no effect. Take it out."
    notes = [f"{rule} {redefinition}" for rule in parsed.replaced_rules]
    notes += [f"{construct} {no_effect}" for construct in parsed.ineffective]
    for note in notes:
        warnings.warn(GrammarWarning(note), stacklevel=warning_level())
    unused_rules = set(parsed.lines).difference(reachable_symbols(parsed.rules, [start]))
    remarks = Remarks(unused_rules=(*parsed.replaced_rules, *sorted(unused_rules)))
    # A schema reads the text of a grammar in it once more: it would warn a second time, and it has no place
    # for the ids of special tokens. In both cases the grammar stands there by itself.
    keyword_value = None
    if not notes and not specials:
        keyword_value = {"syntax": "ebnf", "definition": source, "start": start}
    return RulesGrammar(
        parsed.rules,
        parsed.terminals,
        start,
        limits=bounds,
        bound=parsed.bound,
        remarks=remarks,
        written=keyword_value,
    )
