"""Makes a model and its requests of the options of `generate`, `sample` and `bulk`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from structgen.base.errors import OptionError, StructgenError
from structgen.decoding.runs.option_names import OF_REQUEST, OF_SAMPLING
from structgen.decoding.runs.resources import is_embedded, model_name
from structgen.doors.cli.flags import OF_ENGINE, OF_GROUNDING, OF_TOOLS
from structgen.doors.cli.output import read_input
from structgen.doors.cli.target_language import TargetLanguage, as_list, read_json_option, resolve_target

if TYPE_CHECKING:
    from structgen.decoding.engine import Engine, Request
    from structgen.decoding.engine.requests import Sampling
    from structgen.doors.typed.target_forms import TargetForm


@dataclass(frozen=True)
class ModelRequests(TargetLanguage):
    """The model that the options of a command name, and the requests to it."""

    def check(self) -> None:
        """Raise OptionError for options that exclude one another, and the errors of all parts but the model,
        before the model is loaded."""
        super().check()
        _ = self.request_without_prompt

    @property
    def model(self) -> str:
        """The model's name."""
        return model_name(self.options.values["model"])

    @property
    def is_embedded(self) -> bool:
        """Whether the model is one of the small ones that are included."""
        return is_embedded(self.model)

    @cached_property
    def gives_whole_texts(self) -> bool:
        """Whether the model gives whole texts, and no probabilities of a next token: it is on a server, or
        fills masks."""
        from structgen.doors.typed.infilled import is_infilling

        return self.options.is_served or is_infilling(self.model)

    # --- which texts ----------------------------------------------------------------------------------------

    @property
    def default_policies(self) -> Mapping[str, Any]:
        """The policies of JSON that the options do not name, as `sg.run` has them. The embedded models write
        documents as they were trained to, other models on one line. Draws are from all texts that the
        policies of `sg.json_schema` allow."""
        from structgen.asking.request_reading.request_reader import SERVED
        from structgen.schema.reading.policies import READABLE_DUMPS

        if self.is_embedded:
            return READABLE_DUMPS
        return {} if self.options.command == "sample" else SERVED

    @cached_property
    def form(self) -> TargetForm | None:
        """The form of a type or of tools: a grammar, and the way back to objects; None without these."""
        if "tools" in self.options:
            return self._form_of_tools()
        if "type" not in self.options:
            return None
        from structgen.doors.typed.target_forms import check_wrap, form_of
        from structgen.doors.typed.writers import wrapping_of

        wrap = self.options.get("wrap")
        target = resolve_target(str(self.options.get("type")), "--type", "module:Class")
        form = form_of(
            target, self.policies or None, self.default_policies, wrapping_of(self.model, wrap), "--type"
        )
        check_wrap(form, wrap)
        return form

    def _form_of_tools(self) -> TargetForm:
        """Return the form of a reply that may call the tools. Errors: OptionError, and those of `sg.tools`,
        with the option, or with the location in the file."""
        from structgen.asking.tool_calls.tool_replies import Reply
        from structgen.doors.typed.options import TypedOptions
        from structgen.doors.typed.target_forms import form_of_calls

        cure = 'Write [{"type": "function", "function": {"name": ..., "parameters": {...}}}].'
        tools, name = read_json_option(str(self.options.get("tools")), "--tools", cure)
        try:
            typed_options = TypedOptions(
                tools=tools, policies=self.policies or None, **self.options.select_given(OF_TOOLS)
            )
            return form_of_calls(typed_options, Reply, self.default_policies)
        except StructgenError as error:
            root = error.where.partition("/")[0]
            if root in OF_TOOLS:
                raise OptionError(error.what, where=self.options.spell_name(root), cure=error.cure) from error
            if isinstance(tools, dict):  # its members are named, not the option
                error.where = error.where.removeprefix("tools/")
            if name not in error.where:
                error.name_owner(name, ", ")
            raise

    # --- how they are written -------------------------------------------------------------------------------

    @cached_property
    def sampling(self) -> Sampling:
        """The sampling of the requests. Draws have temperature 1 unless it is given."""
        import structgen as sg

        sampling_options = self.options.select_given(OF_SAMPLING)
        if "strategy" in sampling_options:
            # start-up time: numpy
            from structgen.doors.cli.named_values import read_strategy

            texts = as_list(sampling_options["strategy"])
            sampling_options["strategy"] = list(map(read_strategy, texts))
        if isinstance(repetition := sampling_options.get("repetition", True), bool | Mapping):
            # start-up time: numpy
            from structgen.decoding.engine.strategies.repetitions import repetitions_of

            sampling_options["repetition"] = repetitions_of(repetition)
        strategies = sampling_options.get("strategy", ())
        draws = self.options.command == "sample" or any(strategy.draws for strategy in strategies)
        sampling_options.setdefault("temperature", 1.0 if draws else 0.0)
        return sg.Sampling(**sampling_options)

    @cached_property
    def request_of(self) -> Callable[[Any], Request]:
        """The function from a prompt to its request. The grammar of a grounded request is narrowed to the
        values that the texts of `grounded` state, or the prompt where it has quotes."""
        from structgen.asking.request_reading.request_reader import ReadRequest

        base_request, grounding = self.request_without_prompt, self.grounding
        # replies that may call tools are narrowed where they are asked for, one by one
        if "tools" in self.options or not (grounding or ReadRequest(answer=self.grammar).has_quotes):
            return lambda text: replace(base_request, prompt=text)
        from structgen.doors.typed.options import TypedOptions
        from structgen.doors.typed.prompts import narrow_task, source_of_prompt
        from structgen.doors.typed.target_forms import TargetForm, WritingTask

        task = WritingTask(TargetForm(grammar=base_request.grammar), TypedOptions(**grounding))

        def make_request(text: Any) -> Request:
            narrowed_task = narrow_task(task, source_of_prompt(text))
            return replace(base_request, prompt=text, grammar=narrowed_task.form.grammar)

        return make_request

    @cached_property
    def grounding(self) -> dict[str, Any]:
        """The options of grounded answers, with the texts of the files that they name as `@FILE`."""
        grounding = self.options.select_given(OF_GROUNDING)
        texts = grounding.get("grounded")
        if isinstance(texts, str):
            grounding["grounded"] = _read_file_text(texts)
        elif isinstance(texts, dict):
            grounding["grounded"] = {name: _read_file_text(text) for name, text in texts.items()}
        return grounding

    @cached_property
    def request_without_prompt(self) -> Request:
        """The request of all prompts, with a placeholder in place of the prompt."""
        import structgen as sg

        command_options = self.options
        # sg.Request checks the values, in words of its own
        request_options = command_options.select_given((*OF_REQUEST, "logprobs"))
        if command_options.command == "generate":  # how many draws are made is no matter of one request
            request_options |= command_options.select_given(("n",))
        request_options["speculation"] = self._read_speculation()
        if isinstance(request_options.get("thinking"), Mapping):
            request_options["thinking"] = sg.Thinking(**request_options["thinking"])
        request_options = {"choices": "whole", "sampling": self.sampling, **request_options}
        return sg.Request("x", self.grammar, **request_options)

    def _read_speculation(self) -> Any:
        """Return the speculation of the requests."""
        value = self.options.get("speculation", "auto")
        if isinstance(value, Mapping) or "edit" in self.options or "draft_model" in self.options:
            # start-up time: numpy
            from structgen.decoding.speculation.speculation_options import Speculation

            if isinstance(value, Mapping):
                return Speculation(**value)
            file, text = self.options.get("edit"), ""
            if file is not None:
                text = read_input(Path(file), self.options.spell_name("edit"))
            return Speculation(edit=text, draft_model=self.options.get("draft_model"))
        return value

    def load_engine(self) -> Engine:
        """Return the model, loaded. Raises the error of a draft model that does not fit, once for all
        prompts."""
        import structgen as sg

        engine = sg.Engine(self.model, **self.options.select_given(OF_ENGINE))
        speculation = self.request_without_prompt.speculation
        if not isinstance(speculation, str):
            from structgen.decoding.engine.draft_models import check_speculation

            check_speculation(speculation, engine.tokenizer)
        return engine

    def warn_of_form(self) -> None:
        """Warn where the card of the model does not list the form that is asked for."""
        from structgen.decoding.engine.model_cards import warn_of_form
        from structgen.doors.typed.target_forms import TargetForm

        form = self.form or TargetForm(grammar=self.grammar)
        warn_of_form(self.model, form.card_form, form.grammar)


def _read_file_text(value: Any) -> Any:
    """Return the text of `@FILE`; anything else as it is."""
    is_file = isinstance(value, str) and value.startswith("@")
    return read_input(Path(value[1:]), "grounded") if is_file else value
