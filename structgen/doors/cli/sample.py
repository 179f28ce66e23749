"""`structgen sample`: draws from the model's own distribution of valid texts."""

from __future__ import annotations

import warnings
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import typer

from structgen.base.errors import DrawsWarning, OptionError, StructgenError
from structgen.decoding.samplers.methods import METHODS
from structgen.doors.cli.flags import OF_ENGINE, OF_LARK, POLICIES
from structgen.doors.cli.generate import prompt_of
from structgen.doors.cli.named_options import Given, reads
from structgen.doors.cli.output import echo_json_text, echo_table, payload, refuse
from structgen.doors.cli.wanted_texts import WantedTexts

if TYPE_CHECKING:
    from structgen.decoding.samplers.samples import Samples

INTERRUPTED = 130
"""The exit status after Ctrl-C, as shells have it."""


@reads(
    *("model", "schema", "type", "grammar", "regex", "prompt", "n", "method", "budget", "max_tokens"),
    *("seed", "out", "json"),
    more=(
        *("ebnf", *OF_LARK, *POLICIES, *OF_ENGINE, "without", "wrap", "outline", "chat", "seconds"),
        *("until", "temperature", "top_k", "top_p", "min_p", "particles", "resampling_threshold"),
        "weights",
    ),
)
def sample(given: Given) -> None:
    """Draw texts from the model's own distribution, given that they are valid.

    The texts are printed one a line, and a summary goes to stderr. Ctrl-C ends the run and prints the draws
    so far.

    Exit status: 0 done; 1 there is no draw; 2 wrong usage, or the model, schema or grammar is not usable; 130
    Ctrl-C.
    """
    # start-up time: numpy
    from structgen.base.language.checks import OneOf
    from structgen.decoding.samplers.sample import SampleSettings

    wanted = WantedTexts(given)
    asked = prompt_of(wanted)
    wanted.check()
    OneOf(METHODS)("method", given.get("method"))
    SampleSettings(**_settings(wanted))
    if wanted.grammar is None:
        raise OptionError(
            "A str is free text: the model's own texts are draws already.",
            where="--type",
            cure="Take structgen generate --temperature 1.",
        )
    samples = _drawn(wanted, asked())
    _show(wanted, samples)
    if samples.statistics.stopped == "interrupted":
        raise typer.Exit(INTERRUPTED)
    raise typer.Exit(0 if samples.texts else 1)


def _settings(wanted: WantedTexts) -> dict[str, Any]:
    """Return the options of `sg.sample` that were given."""
    # start-up time: numpy
    from structgen.decoding.samplers.sample import SampleSettings

    how = wanted.sampling
    given = wanted.given.some(field.name for field in fields(SampleSettings))
    return {**given, "seed": how.seed, "temperature": how.temperature}


def _drawn(wanted: WantedTexts, prompt: str) -> Samples[Any]:
    """Return the draws."""
    from structgen.asking.request_reading.targets import ReadTarget
    from structgen.decoding.samplers.sample import sample as drawn

    given, form, request = wanted.given, wanted.form, wanted.request_of(prompt)
    engine, grammar = wanted.engine(), request.grammar
    assert grammar is not None, "checked before"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DrawsWarning)  # the summary has its sentences
            draws: Samples[Any] = drawn(
                engine,
                engine.prompt_tokens(request),
                # the validators of a type are part of the law
                ReadTarget(grammar, None if form is None else form.reader),
                **{**_settings(wanted), "max_tokens": request.most_tokens},
                progress=True,
            )
            return draws
    except OptionError:
        raise
    except StructgenError as error:
        refuse(error, "json" in given, 1)


def _show(wanted: WantedTexts, samples: Samples[Any]) -> None:
    """Print the draws, one a line, or write them to a file, and print a summary to stderr."""
    from structgen.decoding.samplers.samples_file import lines_of
    from structgen.doors.typed.wrapping import unwrap_document

    given, is_wrapped = wanted.given, wanted.form is not None and wanted.form.is_wrapped
    if "out" in given:
        samples.to_jsonl(given.get("out"))
    for said in () if "out" in given else lines_of(samples):
        if "json" in given:
            echo_json_text(said)
            continue
        numbers = "{weight:.6g}\t{log_weight:.6g}\t{logprob:.6g}\t".format_map(said)
        text = unwrap_document(said["text"]) if is_wrapped else said["text"]
        payload(numbers * ("weights" in given) + text)
    echo_table(("", ""), samples.facts(), err=True)
