"""`structgen sample`: draws from the model's own distribution of valid texts."""

from __future__ import annotations

import warnings
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import typer

from structgen.base.errors import DrawsWarning, OptionError, StructgenError
from structgen.decoding.samplers.methods import METHODS
from structgen.doors.cli.flags import OF_ENGINE, OF_LARK, POLICIES
from structgen.doors.cli.generate import prompt_reader
from structgen.doors.cli.model_requests import ModelRequests
from structgen.doors.cli.named_options import CommandOptions, takes_options
from structgen.doors.cli.output import echo_json_text, echo_table, print_payload, refuse

if TYPE_CHECKING:
    from structgen.decoding.samplers.samples import Samples

INTERRUPTED = 130
"""The exit status after Ctrl-C, as shells have it."""


@takes_options(
    *("model", "schema", "type", "grammar", "regex", "prompt", "n", "method", "budget", "max_tokens"),
    *("seed", "out", "json"),
    more_names=(
        *("ebnf", *OF_LARK, *POLICIES, *OF_ENGINE, "without", "wrap", "outline", "chat", "seconds"),
        *("until", "temperature", "top_k", "top_p", "min_p", "particles", "resampling_threshold"),
        "weights",
    ),
)
def sample(options: CommandOptions) -> None:
    """Draw texts from the model's own distribution, given that they are valid.

    The texts are printed one a line, and a summary goes to stderr. Ctrl-C ends the run and prints the draws
    so far.

    Exit status: 0 done; 1 there is no draw; 2 wrong usage, or the model, schema or grammar is not usable; 130
    Ctrl-C.
    """
    # start-up time: numpy
    from structgen.base.language.checks import ChoiceCheck
    from structgen.decoding.samplers.sample import SampleSettings

    requests = ModelRequests(options)
    read_prompt = prompt_reader(requests)
    requests.check()
    ChoiceCheck(METHODS)("method", options.get("method"))
    SampleSettings(**_sample_options(requests))
    if requests.grammar is None:
        raise OptionError(
            "Free text has no constraint to sample under.",
            where="--type",
            cure="Use structgen generate --temperature 1.",
        )
    samples = _draw_samples(requests, read_prompt())
    _print_samples(requests, samples)
    if samples.statistics.stopped == "interrupted":
        raise typer.Exit(INTERRUPTED)
    raise typer.Exit(0 if samples.texts else 1)


def _sample_options(requests: ModelRequests) -> dict[str, Any]:
    """Return the options of `sg.sample` that were given."""
    # start-up time: numpy
    from structgen.decoding.samplers.sample import SampleSettings

    sampling = requests.sampling
    sample_options = requests.options.select_given(field.name for field in fields(SampleSettings))
    return {**sample_options, "seed": sampling.seed, "temperature": sampling.temperature}


def _draw_samples(requests: ModelRequests, prompt: str) -> Samples[Any]:
    """Return the draws of a prompt. An error of the run ends the command."""
    from structgen.asking.request_reading.targets import ReadTarget
    from structgen.decoding.samplers.sample import sample as drawn

    options, form, request = requests.options, requests.form, requests.request_of(prompt)
    engine, grammar = requests.load_engine(), request.grammar
    assert grammar is not None, "checked before"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DrawsWarning)  # the summary has its sentences
            draws: Samples[Any] = drawn(
                engine,
                engine.prompt_tokens(request),
                # the validators of a type are part of the law
                ReadTarget(grammar, None if form is None else form.reader),
                **{**_sample_options(requests), "max_tokens": request.most_tokens},
                progress=True,
            )
            return draws
    except OptionError:
        raise
    except StructgenError as error:
        refuse(error, "json" in options, 1)


def _print_samples(requests: ModelRequests, samples: Samples[Any]) -> None:
    """Print the draws, one a line, or write them to a file, and print a summary to stderr."""
    from structgen.decoding.samplers.samples_file import lines_of
    from structgen.doors.typed.wrapping import unwrap_document

    options, is_wrapped = requests.options, requests.form is not None and requests.form.is_wrapped
    if "out" in options:
        samples.to_jsonl(options.get("out"))
    for line in () if "out" in options else lines_of(samples):
        if "json" in options:
            echo_json_text(line)
            continue
        numbers = "{weight:.6g}\t{log_weight:.6g}\t{logprob:.6g}\t".format_map(line)
        text = unwrap_document(line["text"]) if is_wrapped else line["text"]
        print_payload(numbers * ("weights" in options) + text)
    echo_table(("", ""), samples.facts(), err=True)
