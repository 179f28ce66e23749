"""Free text with triggers: behind each trigger a grammar of its own follows, as in tags and tool calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from structgen.base.errors import OptionError
from structgen.base.language.ir import Not
from structgen.grammars.text_grammars.free_text import text
from structgen.grammars.text_grammars.regular import RegularGrammar, literal
from structgen.grammars.text_grammars.regular_formulas import containing_words, show_words
from structgen.grammars.text_grammars.text_grammar import (
    ComposedGrammar,
    Operation,
    TextBefore,
    TextGrammar,
    either,
)


def make_triggered_tags(
    tags: Sequence[tuple[str, TextGrammar]],
    triggers: Sequence[str],
    place: str,
    avoided_texts: Sequence[str],
    max_tags: int | None = None,
) -> TextGrammar:
    """Return the grammar of free text with tags, each given by its beginning and the grammar behind it."""
    rests: dict[str, list[TextGrammar]] = {trigger: [] for trigger in triggers}
    for begin, rest in tags:
        of = [trigger for trigger in triggers if begin.startswith(trigger)]
        if len(of) != 1:
            raise OptionError(
                f"The tag {begin!r} begins with {' and '.join(map(repr, of)) or 'none'} of the triggers, "
                f"which are {', '.join(map(repr, triggers))}.",
                where=f"{place}/triggers",
                cure="Have each tag begin with exactly one trigger.",
            )
        rests[of[0]].append(literal(begin.removeprefix(of[0])) + rest)
    idle = next((trigger for trigger, after in rests.items() if not after), None)
    if idle is not None:
        raise OptionError(
            f"No tag begins with the trigger {idle!r}.", where=f"{place}/triggers", cure="Leave it out."
        )
    return dispatch_grammar(
        {trigger: either(*after) for trigger, after in rests.items()}, place, avoided_texts, max_tags
    )


def dispatch_grammar(
    rules: Mapping[str, TextGrammar], place: str, avoided_texts: Sequence[str], max_bodies: int | None = None
) -> TextGrammar:
    """Return the grammar of free text in which each trigger is followed by a text of its grammar (`rules`).

    The free text contains none of `avoided_texts`, and no trigger except the one that ends it. `max_bodies`:
    so many triggers occur at most, and after the last of so many no text.
    """
    text_before = TextBefore(tuple(rules), tuple(avoided_texts))
    text_before.check_words(place)
    return ComposedGrammar(Operation.INTERRUPT, (text_before, *rules.values()), maximum=max_bodies)


def interrupted_text(body: TextGrammar, free: TextGrammar, max_bodies: int | None) -> TextGrammar:
    """Return the grammar of texts of `body`, then one of `free`; with `max_bodies`: of so many or fewer, and
    none of `free` after so many."""
    return body.repeat() + free if max_bodies is None else body.repeat(0, max_bodies - 1) + (body | free)


def free_of(words: Sequence[str]) -> TextGrammar:
    """Return the grammar of texts that contain none of some words."""
    return (
        RegularGrammar(Not(containing_words(words)), f"any text without {show_words(words)}")
        if words
        else text()
    )
