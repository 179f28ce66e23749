"""`sg.without`: a grammar from which texts are banned."""

from __future__ import annotations

from collections.abc import Iterable

from structgen.automata.strings.banned_patterns import minimal_texts
from structgen.base.errors import LimitError, options_named
from structgen.base.language import checks
from structgen.grammars.json_grammars.schema_grammar import JsonSchemaGrammar
from structgen.grammars.text_grammars.text_grammar import Operand, as_text, ban_texts
from structgen.machines.core.grammar import Grammar


@options_named('sg.without(grammar, ["a text"])')
def without(grammar: Operand, texts: Iterable[str], *, decoded: bool = True) -> Grammar:
    """Return the grammar of the texts of `grammar` that contain none of the banned `texts`.

    For a JSON Schema with `decoded`, no string and no key contains a banned text, after JSON's escapes are
    decoded: `"\\u0066oo"` is `foo`. Numbers, literals, punctuation and white space are not checked. The
    result is a grammar of a JSON Schema. In all other cases the written bytes contain no banned text: with
    `decoded=False` those of the JSON text, across strings and punctuation too; for any other grammar those of
    its texts (a special token has no text and separates the texts around it). Without `texts` the grammar is
    returned unchanged. There are no dead ends: a token is refused if every continuation needs a banned text,
    and a grammar without any text left is refused when it is compiled.

    Errors: `OptionError` for anything but texts, an empty text or a lone surrogate; `LimitError`
    (banned_texts). Cost: linear in the characters of the texts, about; masks: docs/composition.md.
    """
    checks.InstanceCheck(bool, "Pass True or False.")("decoded", decoded)
    if isinstance(grammar, Grammar) and grammar.innermost is not grammar:
        words = [*texts]  # the texts may be an iterator, and each inner grammar reads them
        return grammar.inside(lambda inner: without(inner, words, decoded=decoded))
    of = grammar if isinstance(grammar, JsonSchemaGrammar) else as_text(grammar)
    if isinstance(texts, (str, bytes)) or not isinstance(texts, Iterable):
        raise checks.option_error("texts", texts, 'a list of texts: ["..."]')
    banned_texts = {checks.check_text("texts", text) for text in texts}
    if not banned_texts:
        return of
    limit = of.limits.banned_texts
    if len(banned_texts) > limit:
        raise LimitError(
            f"{len(banned_texts):,} texts are banned; the limit is {limit:,}.", limit="banned_texts"
        )
    # a text that contains another banned text is banned by that one already
    shortest_texts = minimal_texts(banned_texts)
    if isinstance(of, JsonSchemaGrammar) and decoded:
        return of.without(shortest_texts)
    return ban_texts(of, shortest_texts)
