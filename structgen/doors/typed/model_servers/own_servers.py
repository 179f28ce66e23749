"""What structgen's own server takes of a call, and other servers do not: the members of its requests.

A server says that it is structgen's by a header (`servers.VERSION_HEADER`). It is asked for it once, and only
if a call has something that no other server takes.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any, Final

from structgen.asking.grounding.stated_text import StatedText
from structgen.base.json_text.exact_json import JsonObject, values_in
from structgen.decoding.engine.model_prompts import split_continued_turn
from structgen.decoding.engine.requests import Sampling
from structgen.doors.typed.missing_options import OF_BEGUN_ANSWERS, OWN_NUMBERS
from structgen.doors.typed.prompts import PromptSource
from structgen.doors.typed.target_forms import TargetForm, WritingTask
from structgen.grammars.json_grammars.schema_grammar import without_grammars
from structgen.schema.reading.policies import Policies
from structgen.schema.reading.string_grammars import OBJECT

_DEFAULTS: Final = asdict(Policies())
_SAMPLING: Final = Sampling()


def sent_form(task: WritingTask) -> TargetForm:
    """Return the form whose schema structgen's own server gets: the one before the client narrowed it to the
    stated texts, which travel too. Guessed readings do not travel: then it is the narrowed one."""
    form = task.form
    is_read = type(task.stated) is StatedText
    return form.unnarrowed if is_read and form.unnarrowed is not None else form


def own_members(task: WritingTask, source: PromptSource) -> JsonObject:
    """Return the members of a request that only structgen's own server takes; {} where the call needs none.
    For example, `{"grounded": {"text": "..."}, "quotes": True}` of a call with these options."""
    options = task.options
    sampling = options.sampling
    members: JsonObject = {
        name: getattr(sampling, name)
        for name in OWN_NUMBERS
        if getattr(sampling, name) != getattr(_SAMPLING, name)
    }
    if sampling.repetition != _SAMPLING.repetition:
        members["repetition"] = False if sampling.repetition is None else asdict(sampling.repetition)
    if options.choices != "whole":
        members["choices"] = options.choices
    if source.examples:
        members["examples"] = [{"prompt": prompt, "answer": answer} for prompt, answer in source.examples]
    if options.thinking is not None:
        members["thinking"] = {"type": "enabled", "budget_tokens": options.thinking.max_tokens}
    if options.outline is not None:
        members["outline"] = options.outline
    if policies := _sent_policies(task):
        members["policies"] = policies
    if task.stated is not None:
        texts, is_read = task.stated.texts, type(task.stated) is StatedText
        if options.grounded is not False and is_read:
            members["grounded"] = texts
        elif options.quotes or sent_form(task).request.has_quotes:
            members["quoted"] = texts
        if options.quotes:
            members["quotes"] = options.quotes
        if options.missing != "error" and is_read:
            members["missing"] = options.missing
    return members


def split_begun_turn(
    task: WritingTask, source: PromptSource
) -> tuple[PromptSource, list[JsonObject], dict[str, bool]]:
    """Return the source without the turn of the assistant that the answer continues, that turn with the
    beginning of the document that is sent, and the members that say so; [] where the answer begins anew.
    Errors: those of `split_continued_turn`; OptionError for thoughts before a begun answer."""
    begun: tuple[Any, ...] = (None,)  # free text
    if task.form.grammar is not None:
        begun = task.form.compile_sent_schema, task.form.server_schema.openings_of
    before, turn = split_continued_turn(source.prompt, task.options.continue_final_message, *begun)
    source = replace(source, prompt=before)
    if turn is None:
        return source, [], {"continue_final_message": False}
    OF_BEGUN_ANSWERS.raise_first(task.options)
    # the text of an outcome has the beginning
    return source, [turn], {"continue_final_message": True, "echo": True}


def needs_own_server(task: WritingTask, source: PromptSource) -> bool:
    """Tell whether a request depends on what the server is: it has own members or grammars, or turns that the
    embedded models do not read."""
    form, own_names = task.form, {*own_members(task, source)}
    if form.reader is not None and not task.options.policies:
        own_names -= {"policies"}  # those of types alone are held to here
    last: Any = {} if isinstance(source.prompt, str) else source.prompt[-1]
    is_begun = task.options.continue_final_message is not None or last.get("role") == "assistant"
    if own_names or is_begun or source.refused_attempt is not None:
        return True
    schemas = [] if form.tools is None else [dict(tool.schema) for tool in form.tools.tools]
    schemas += [] if form.grammar is None else [form.object_schema]
    return any(without_grammars(schema) != without_grammars(schema, OBJECT) for schema in schemas)


def _sent_policies(task: WritingTask) -> JsonObject:
    """Return the policies of the form that a server would not have of itself: those that a person gave, and
    those that exclude values of the schema."""
    grammar, given = task.form.grammar, task.options.policies or {}
    policies = None if grammar is None else grammar.policies
    if policies is None:
        return {}
    values = asdict(policies)
    sent = {
        name: value
        for name, value in values.items()
        if value != _DEFAULTS[name] and (name in given or (name, value) != ("whitespace", "oneline"))
    }
    schemas = [value for _, value in values_in(sent_form(task).object_schema) if isinstance(value, dict)]
    used_formats = {schema.get("format") for schema in schemas if isinstance(schema.get("format"), str)}
    formats = {name: value for name, value in sent.pop("custom_formats", ()) if name in used_formats}
    if formats:
        sent["custom_formats"] = {
            name: meaning if isinstance(meaning, str) else dict(meaning) for name, meaning in formats.items()
        }
    return sent
