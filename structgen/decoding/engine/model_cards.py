"""Warns if a request asks a model for a form of answer that the model's card does not list.

A card is README.md in the folder of a model. The line `structgen_answers: [JSON, text]` of its front matter
lists forms of answers, named as in `FORMS`. A model whose card has no such line is asked for anything.
"""

from __future__ import annotations

import re
import warnings
from functools import cache
from typing import Final

from structgen.base.errors import ModelWarning, StructgenError, warning_level
from structgen.decoding.runs.resources import SMOLLM2, model_path
from structgen.machines.core.grammar import Grammar
from structgen.machines.core.string_values import over_bytes

FORMS: Final = {
    "JSON": "JSON of a schema or a type",
    "grammar": "texts of a grammar or a pattern",
    "text": "free text",
    "calls": "calls of tools",
}
"""The forms of answers by their names in cards, and the words for them in a warning."""
_LINE: Final = re.compile(r"\A---\n(?:.*\n)*?structgen_answers: \[(.*)\]\n(?:.*\n)*?---\n")
_WARNED: Final = set[tuple[str, str]]()
"""The pairs of a model and a form of which this process has warned."""


def warn_of_form(name: str, asked_form: str, grammar: Grammar | None) -> None:
    """Warn (`ModelWarning`) if the card of a model does not list the form that is asked for. There is one
    warning in a process for each model and form.

    `name` is the name or folder of the model, as `model_name` returns it; "": it has none. `asked_form` is a
    key of `FORMS`. `grammar` is that of the answer; None: free text. Cost: the card is read once in a
    process. If the model knows only JSON, a grammar of texts is compiled over bytes, and kept.
    """
    listed_forms = answers_of(name)
    if not listed_forms or asked_form in listed_forms or (name, asked_form) in _WARNED:
        return
    # a grammar whose texts are JSON asks for the form that the model was trained on
    if asked_form == "grammar" and "JSON" in listed_forms and _takes_json(grammar):
        return
    _WARNED.add((name, asked_form))
    form_names = " and ".join(FORMS.get(form, form) for form in listed_forms)
    suggestion = f"{SMOLLM2} (structgen models says how to get it)"
    if asked_form == "JSON":
        suggestion = "structgen/extract"
    warnings.warn(
        ModelWarning(
            f"{name} is asked for {FORMS[asked_form]}, but its card lists only {form_names}. The "
            f"form of the answer will be right, its content hardly. Use {suggestion}, or a model of "
            "your own."
        ),
        stacklevel=warning_level(),
    )


@cache
def answers_of(name: str) -> tuple[str, ...]:
    """Return the forms that the card of a model lists; () if it has no card, or no such line."""
    if not name:
        return ()
    try:
        card = model_path(name) / "README.md"
        front_matter = _LINE.match(card.read_text(encoding="utf-8")) if card.is_file() else None
    except (StructgenError, OSError, ValueError):  # whoever loads the model says what is wrong with it
        return ()
    if front_matter is None:
        return ()
    return tuple(form.strip() for form in front_matter[1].split(","))


def _takes_json(grammar: Grammar | None) -> bool:
    """Return whether a text of a grammar may begin with `{` or `[`, so that it may be JSON."""
    try:
        compiled_grammar = over_bytes(grammar)
    except StructgenError:  # of a grammar that needs tokens, or that its compilation refuses in its own words
        return False
    return any(
        compiled_grammar.step_bytes(compiled_grammar.start, begin) is not None for begin in (b"{", b"[")
    )
