"""Builds grammars of free text in which certain texts start other grammars, as in tags and tool calls.

A *trigger* is a text that ends the free text before it. A *tag* is a beginning, which starts with one
trigger, and the *rest* that follows: a grammar. With the trigger `<f=`, the tag `<f=add>` may have the rest
`1+2</f>`. A *body* is all that follows a trigger: here `add>1+2</f>`.
"""

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
    """Return the grammar of free text with tags.

    `tags`: for each tag its beginning and the grammar of its rest. `triggers`: the texts that end the free
    text; each tag begins with exactly one of them, else `OptionError` is raised. `place`: the place of the
    tags in the user's input, for errors. `avoided_texts`: as in `dispatch_grammar`. `max_tags`: the most tags
    (its `max_bodies`). Example: `make_triggered_tags([("<a>", body)], ["<"], "tags", ())`.
    """
    rests: dict[str, list[TextGrammar]] = {trigger: [] for trigger in triggers}
    for begin, rest in tags:
        begins_with = [trigger for trigger in triggers if begin.startswith(trigger)]
        if len(begins_with) != 1:
            shown_triggers = " and ".join(map(repr, begins_with)) or "none"
            raise OptionError(
                f"The tag {begin!r} begins with {shown_triggers} of the triggers, "
                f"which are {', '.join(map(repr, triggers))}.",
                where=f"{place}/triggers",
                cure="Begin each tag with exactly one trigger.",
            )
        (trigger,) = begins_with
        # the free text ends with the trigger, so the body starts with the remaining beginning of the tag
        rests[trigger].append(literal(begin.removeprefix(trigger)) + rest)
    unused = next((trigger for trigger, after in rests.items() if not after), None)
    if unused is not None:
        raise OptionError(
            f"No tag begins with the trigger {unused!r}.", where=f"{place}/triggers", cure="Remove it."
        )
    rules = {trigger: either(*after) for trigger, after in rests.items()}
    return dispatch_grammar(rules, place, avoided_texts, max_tags)


def dispatch_grammar(
    rules: Mapping[str, TextGrammar],
    place: str,
    avoided_texts: Sequence[str],
    max_bodies: int | None,
) -> TextGrammar:
    """Return the grammar of free text in which each trigger is followed by a text of its grammar.

    `rules`: for each trigger the grammar of its body. The free text contains no trigger except the one that
    ends it, and none of `avoided_texts`. `place`: the place in the user's input, for errors. `max_bodies`:
    the most triggers (None: any number); after the body of the last of them no text follows.
    """
    text_before = TextBefore(tuple(rules), tuple(avoided_texts))
    text_before.check_words(place)
    return ComposedGrammar(Operation.INTERRUPT, (text_before, *rules.values()), maximum=max_bodies)


def interrupted_text(body: TextGrammar, free: TextGrammar, max_bodies: int | None) -> TextGrammar:
    """Return the grammar of any number of texts of `body`, followed by one text of `free`. With `max_bodies`
    there are at most so many texts of `body`, and after the last of these no text of `free` follows."""
    if max_bodies is None:
        return body.repeat() + free
    return body.repeat(0, max_bodies - 1) + (body | free)  # the last place has a body or free text, not both


def free_of(words: Sequence[str]) -> TextGrammar:
    """Return the grammar of the texts that contain none of `words`; without words, of any text."""
    if not words:
        return text()
    return RegularGrammar(Not(containing_words(words)), f"any text without {show_words(words)}")
