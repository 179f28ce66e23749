"""Free text with triggers: behind each trigger a grammar of its own follows, as in tags and tool calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from structgen.base.errors import OptionError
from structgen.base.language.ir import Not
from structgen.grammars.text_grammars.free_text import text
from structgen.grammars.text_grammars.regular import RegularGrammar, literal
from structgen.grammars.text_grammars.regular_formulas import holding, shown
from structgen.grammars.text_grammars.text_grammar import Composed, Operation, TextBefore, TextGrammar, either


def triggered(
    tags: Sequence[tuple[str, TextGrammar]],
    triggers: Sequence[str],
    place: str,
    avoided: Sequence[str],
    most: int | None = None,
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
    return dispatched({trigger: either(*after) for trigger, after in rests.items()}, place, avoided, most)


def dispatched(
    rules: Mapping[str, TextGrammar], place: str, avoided: Sequence[str], most: int | None = None
) -> TextGrammar:
    """Return the grammar of free text in which each trigger is followed by a text of its grammar (`rules`).

    The free text contains none of `avoided`, and no trigger except the one that ends it. `most`: so many
    triggers occur at most, and after the last of so many no text.
    """
    before = TextBefore(tuple(rules), tuple(avoided))
    before.check(place)
    return Composed(Operation.INTERRUPT, (before, *rules.values()), most=most)


def interrupted(body: TextGrammar, free: TextGrammar, most: int | None) -> TextGrammar:
    """Return the grammar of texts of `body`, then one of `free`; with `most`: of so many or fewer, and none
    of `free` after so many."""
    return body.repeat() + free if most is None else body.repeat(0, most - 1) + (body | free)


def free_of(words: Sequence[str]) -> TextGrammar:
    """Return the grammar of texts that contain none of some words."""
    return RegularGrammar(Not(holding(words)), f"any text without {shown(words)}") if words else text()
