"""From the options of `generate`, `sample` and `bulk` to a model and its requests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from structgen.base.errors import OptionError, StructgenError
from structgen.base.system.resources import is_embedded, model_name
from structgen.doors.cli.flags import OF_ENGINE, OF_GROUNDING, OF_REQUEST, OF_SAMPLING, OF_TOOLS
from structgen.doors.cli.output import read_input
from structgen.doors.cli.wanted_language import WantedLanguage, json_of, listed, named

if TYPE_CHECKING:
    from structgen.decoding.engine import Engine, Request
    from structgen.decoding.engine.requests import Sampling
    from structgen.doors.typed.target_forms import TargetForm


@dataclass(frozen=True)
class WantedTexts(WantedLanguage):
    """What the options ask a model for."""

    def check(self) -> None:
        """Raise OptionError for options that exclude one another, and the errors of all parts but the model:
        they are told before it is loaded."""
        super().check()
        _ = self.request_without_prompt

    @property
    def model(self) -> str:
        """The model's name."""
        return model_name(self.given.values["model"])

    @property
    def is_embedded(self) -> bool:
        """Whether the model is one of the small ones that are included."""
        return is_embedded(self.model)

    @cached_property
    def is_asked_whole(self) -> bool:
        """Whether the model gives whole texts alone, and no row of probabilities for the next token: it is on
        a server, or fills masks."""
        from structgen.doors.typed.infilled import is_infilling

        return self.given.is_served or is_infilling(self.model)

    # --- which texts ----------------------------------------------------------------------------------------

    @property
    def usual(self) -> Mapping[str, Any]:
        """The policies of JSON that the options do not name. The embedded models write documents as they were
        trained to, other models on one line: as `sg.run` has both. Draws are from all texts that the
        policies of `sg.json_schema` allow."""
        from structgen.asking.request_reading.request_reader import SERVED
        from structgen.doors.typed.tool_prompts import EMBEDDED_POLICIES

        if self.is_embedded:
            return EMBEDDED_POLICIES
        return {} if self.given.command == "sample" else SERVED

    @cached_property
    def form(self) -> TargetForm | None:
        """What a type or tools ask for: a grammar, and the way back to objects; None without."""
        if "tools" in self.given:
            return self._form_of_tools()
        if "type" not in self.given:
            return None
        from structgen.doors.typed.target_forms import check_wrap, form_of
        from structgen.doors.typed.writers import wrapping_of

        wrap = self.given.get("wrap")
        target = named(str(self.given.get("type")), "--type", "module:Class")
        form = form_of(target, self.policies or None, self.usual, wrapping_of(self.model, wrap), "--type")
        check_wrap(form, wrap)
        return form

    def _form_of_tools(self) -> TargetForm:
        """Return what tools want. Errors: OptionError, and those of `sg.tools`, with the option or the place
        in the file."""
        from structgen.asking.tool_calls.tool_replies import Reply
        from structgen.doors.typed.options import TypedOptions
        from structgen.doors.typed.target_forms import form_of_calls

        cure = 'Write [{"type": "function", "function": {"name": ..., "parameters": {...}}}].'
        tools, name = json_of(str(self.given.get("tools")), "--tools", cure)
        try:
            options = TypedOptions(tools=tools, policies=self.policies or None, **self.given.some(OF_TOOLS))
            return form_of_calls(options, Reply)
        except StructgenError as error:
            root = error.where.partition("/")[0]
            if root in OF_TOOLS:
                raise OptionError(error.what, where=self.given.spelled(root), cure=error.cure) from error
            if isinstance(tools, dict):  # whose members are named, not the option
                error.where = error.where.removeprefix("tools/")
            if name not in error.where:
                error.name_owner(name, ", ")
            raise

    # --- how they are written -------------------------------------------------------------------------------

    @cached_property
    def sampling(self) -> Sampling:
        """How tokens are chosen."""
        import structgen as sg

        options = self.given.some(OF_SAMPLING)
        if "strategy" in options:
            # start-up time: numpy
            from structgen.doors.cli.named_values import strategy_named

            options["strategy"] = [strategy_named(text) for text in listed(options["strategy"])]
        if isinstance(said := options.get("repetition", True), bool | Mapping):
            # start-up time: numpy
            from structgen.decoding.engine.strategies.repetitions import repetitions_of

            options["repetition"] = repetitions_of(said)
        draws = self.given.command == "sample" or any(
            strategy.draws for strategy in options.get("strategy", ())
        )
        options.setdefault("temperature", 1.0 if draws else 0.0)
        return sg.Sampling(**options)

    @cached_property
    def request_of(self) -> Callable[[Any], Request]:
        """What makes a request of a prompt, its grammar narrowed to what the texts of `grounded` state, or
        the prompt where it has quotes."""
        from structgen.asking.grounding.grounded_grammar import has_quotes

        made, options = self.request_without_prompt, self.grounding
        if not options and not has_quotes(getattr(self.grammar, "schema", None)):
            return lambda text: replace(made, prompt=text)
        from structgen.doors.typed.options import TypedOptions
        from structgen.doors.typed.prompts import narrow_task, source_of_prompt
        from structgen.doors.typed.target_forms import TargetForm, WritingTask

        wanted = WritingTask(TargetForm(grammar=made.grammar), TypedOptions(**options))

        def request(text: Any) -> Request:
            return replace(
                made, prompt=text, grammar=narrow_task(wanted, source_of_prompt(text)).form.grammar
            )

        return request

    @cached_property
    def grounding(self) -> dict[str, Any]:
        """The options of grounded answers, with the texts of the files that they name as `@FILE`."""
        options = self.given.some(OF_GROUNDING)
        texts = options.get("grounded")
        if isinstance(texts, str):
            options["grounded"] = _text_of(texts)
        elif isinstance(texts, dict):
            options["grounded"] = {name: _text_of(text) for name, text in texts.items()}
        return options

    @cached_property
    def request_without_prompt(self) -> Request:
        """The request, as yet without its prompt."""
        import structgen as sg

        given = self.given
        options = given.some((*OF_REQUEST, "logprobs"))
        if given.command == "generate":  # how many draws are made is no matter of one request
            options |= given.some(("n",))
        options["speculation"] = self._speculation()
        if isinstance(options.get("thinking"), Mapping):
            options["thinking"] = sg.Thinking(**options["thinking"])
        options = {"choices": "whole", "sampling": self.sampling, **options}
        return sg.Request("x", self.grammar, **options)

    def _speculation(self) -> Any:
        """Return what a request says about guesses."""
        said = self.given.get("speculation", "auto")
        if isinstance(said, Mapping) or "edit" in self.given or "draft_model" in self.given:
            # start-up time: numpy
            from structgen.decoding.speculation.speculation_options import Speculation

            if isinstance(said, Mapping):
                return Speculation(**said)
            file, text = self.given.get("edit"), ""
            if file is not None:
                text = read_input(Path(file), self.given.spelled("edit"))
            return Speculation(edit=text, draft_model=self.given.get("draft_model"))
        return said

    def engine(self) -> Engine:
        """Return the model, loaded. A draft model that does not fit is told once, and not for each prompt."""
        import structgen as sg

        made = sg.Engine(self.model, **self.given.some(OF_ENGINE))
        speculation = self.request_without_prompt.speculation
        if not isinstance(speculation, str):
            from structgen.decoding.engine.draft_models import check_speculation

            check_speculation(speculation, made.tokenizer)
        return made

    def hint(self) -> None:
        """Warn where the card of the model does not list the form that is asked for."""
        from structgen.decoding.engine.model_cards import warn_of_form
        from structgen.doors.typed.target_forms import TargetForm

        form = self.form or TargetForm(grammar=self.grammar)
        warn_of_form(self.model, form.card_form, form.grammar)


def _text_of(said: Any) -> Any:
    """Return the text of `@FILE`; anything else as it is."""
    is_file = isinstance(said, str) and said.startswith("@")
    return read_input(Path(said[1:]), "grounded") if is_file else said
