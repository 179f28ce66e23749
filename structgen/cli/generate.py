"""`structgen generate`: a model writes documents of a schema, or texts of a grammar."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from structgen.cli.bulk_progress import going_on, work_on_ray, work_through
from structgen.cli.draws import DrawOptions, check_none, draw
from structgen.cli.language_options import (
    Bind,
    EbnfFile,
    GrammarFile,
    ImportPath,
    LexerMode,
    PostLex,
    RegexPattern,
    Start,
    TypeName,
    lark_grammar,
    named,
    text_grammar,
)
from structgen.cli.output import echo, echo_json_text, has_piped_input, payload, refuse
from structgen.cli.schema_options import (
    MaxItems,
    MaxString,
    SchemaFile,
    Strict,
    number_or_word,
    read_input,
    schema_of,
    warnings_told,
)
from structgen.cli.served import ask, check_served
from structgen.cli.tool_options import (
    Parallel,
    ToolChoiceName,
    ToolFormatName,
    ToolsFile,
    form_of_tools,
)
from structgen.errors import OptionError, StructgenError, ValidatorError
from structgen.sampling.methods import METHODS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from structgen.core.grammar import Grammar
    from structgen.engine import Engine, Request, Result
    from structgen.engine.strategies.strategy import Strategy
    from structgen.monitors.monitor import Monitor
    from structgen.python_types.type_hints import TypeReader
    from structgen.speculation.speculation_options import Speculation
    from structgen.typed.forms import WantedForm


class Speculates(StrEnum):
    """Whether the next tokens are guessed."""

    AUTO = "auto"
    OFF = "off"


class Chooses(StrEnum):
    """How one of a few listed values is chosen."""

    WHOLE = "whole"
    TOKENS = "tokens"


def generate(
    model: Annotated[
        str,
        typer.Option(
            help="The folder of a model of transformers; structgen/extract, which is included; or "
            "openai:URL#NAME, a model on a server."
        ),
    ] = "structgen/extract",
    schema: SchemaFile = None,
    type_: TypeName = None,
    grammar: GrammarFile = None,
    start: Start = None,
    import_path: ImportPath = None,
    postlex: PostLex = None,
    bind: Bind = None,
    lexer: LexerMode = None,
    ebnf: EbnfFile = None,
    regex: RegexPattern = None,
    tools: ToolsFile = None,
    tool_choice: ToolChoiceName = None,
    parallel: Parallel = None,
    tool_format: ToolFormatName = None,
    prompt: Annotated[
        str | None,
        typer.Option(help="The prompt; - is standard input, and so is a pipe.", show_default=False),
    ] = None,
    prompts: Annotated[
        Path | None,
        typer.Option(
            help="A file of prompts: on each line a JSON string or object, or the prompt itself.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="With --prompts: the file of results. A second call goes on where the first one stopped; "
            "FILE.run keeps the options, and other options are refused. With --ray: the folder of results. "
            "With --method: the file of the draws (structgen sample-report reads it).",
            show_default=False,
        ),
    ] = None,
    start_over: Annotated[
        bool, typer.Option("--start-over", help="With --out: delete the results that are there.")
    ] = False,
    ray: Annotated[
        bool,
        typer.Option(
            "--ray",
            help="With --prompts: work on Ray, on the cluster of RAY_ADDRESS or on this machine. Each worker "
            "writes shards into the folder --out; the next call does the shards that are missing.",
        ),
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="With --ray: how many workers load the model.  [default: one for each GPU or processor]",
            show_default=False,
        ),
    ] = None,
    ray_engine: Annotated[
        str,
        typer.Option(
            "--engine",
            help="With --ray: what writes in each worker, structgen or vllm (docs/bulk-on-ray.md).",
        ),
    ] = "structgen",
    engine_options: Annotated[
        str | None,
        typer.Option(
            metavar="JSON", help="With --engine vllm: an object of options of vLLM's LLM.", show_default=False
        ),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(
            help="Draw from the model's own distribution, given that the text is valid: "
            f"{', '.join(METHODS)} (docs/samplers.md).",
            show_default=False,
        ),
    ] = None,
    weights: Annotated[
        bool,
        typer.Option(
            "--weights",
            help="With --method: print before each text its normalised weight, log weight and "
            "log-probability, separated by tabs.",
        ),
    ] = False,
    budget: Annotated[
        int | None,
        typer.Option(min=1, help="With --method: the most rows of logits that are read.", show_default=False),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(help="With --method: the most seconds.", show_default=False)
    ] = None,
    standard_error: Annotated[
        float | None,
        typer.Option(help="With --method: stop at this standard error of log Z.", show_default=False),
    ] = None,
    tree: Annotated[
        Path | None,
        typer.Option(
            help="With --method: a file that keeps the prefix tree for the next run. It is read if it "
            "exists, and written at the end.",
            show_default=False,
        ),
    ] = None,
    n: Annotated[int, typer.Option(min=1, help="Samples of the prompt.")] = 1,
    seed: Annotated[int, typer.Option(help="The same seed gives the same texts.")] = 0,
    temperature: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            help="0 takes the likeliest token.  [default: 0; with --method, or a strategy that draws, 1]",
            show_default=False,
        ),
    ] = None,
    max_tokens: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Documents are complete within it.  [default: 512, or what the context leaves]",
            show_default=False,
        ),
    ] = None,
    min_tokens: Annotated[int, typer.Option(min=0, help="A free text has at least so many tokens.")] = 0,
    repetition: Annotated[
        bool, typer.Option(help="Close values that repeat themselves, and numbers of too many digits.")
    ] = True,
    logit_bias: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TOKEN=NUMBER",
            help="Added to the logit of a token id, as in 42=-100; may be given several times.",
            show_default=False,
        ),
    ] = None,
    strategy: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME:OPTION=VALUE",
            help="A decoding strategy, as in mirostat:tau=3,eta=0.1 (docs/strategies.md); may be given "
            "twice.",
            show_default=False,
        ),
    ] = None,
    monitor: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME:project=DIR",
            help="With a grammar of Python: python-attributes, python-names or python-arguments, so that "
            "what the code uses exists (docs/strategies.md); may be given several times.",
            show_default=False,
        ),
    ] = None,
    attempts: Annotated[
        int,
        typer.Option(
            min=1, help="With --type: how often a text is asked for that the type's validators refuse."
        ),
    ] = 3,
    wrap: Annotated[
        bool | None,
        typer.Option(
            "--wrap/--no-wrap",
            help='With --type: whether a document that is no object is asked for as {"value": ...}. What is '
            "printed is the document; lines of JSON have the text.  [default: of the embedded models]",
            show_default=False,
        ),
    ] = None,
    outline: Annotated[
        bool | None,
        typer.Option(
            "--outline/--no-outline",
            help="Whether the prompt tells the outline of the schema.  [default: for the embedded models, "
            "and for models with a chat template where the schema lists no values]",
            show_default=False,
        ),
    ] = None,
    choices: Annotated[
        Chooses,
        typer.Option(help="How one of at most 64 listed values is chosen: as a whole, or token by token."),
    ] = Chooses.WHOLE,
    stop: Annotated[
        list[str] | None,
        typer.Option(
            help="A string at which a free text ends; it is left out. May be given several times.",
            show_default=False,
        ),
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option(
            help="A text that is never written; in a document: in no string or key, however it is escaped. "
            "May be given several times.",
            show_default=False,
        ),
    ] = None,
    max_rows: Annotated[
        int, typer.Option(min=1, help="The most texts that are written at the same time.")
    ] = 32,
    stream: Annotated[bool, typer.Option("--stream", help="Print the text as it comes.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object for each sample.")] = False,
    trace: Annotated[
        Path | None,
        typer.Option(
            help="Write an HTML page that shows each token: its probability and what the mask removed.",
            show_default=False,
        ),
    ] = None,
    logprobs: Annotated[
        int,
        typer.Option(min=0, help="With --json, --trace: keep this many likeliest tokens of each step."),
    ] = 0,
    speculation: Annotated[
        Speculates,
        typer.Option(
            help="Guess tokens ahead, and let one pass of the model verify them. The text is the same, and "
            "sooner there (docs/speculation.md)."
        ),
    ] = Speculates.AUTO,
    edit: Annotated[
        Path | None,
        typer.Option(
            help="A file with an older version of the answer (-: standard input), for good guesses.",
            show_default=False,
        ),
    ] = None,
    draft_model: Annotated[
        str | None,
        typer.Option(
            help="A small model with the same tokenizer that guesses: a folder, or structgen/extract-draft.",
            show_default=False,
        ),
    ] = None,
    usage: Annotated[
        bool,
        typer.Option(
            "--usage",
            help="Print to stderr what each text cost: tokens, passes of the model, guesses that were right.",
        ),
    ] = False,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, ...", show_default=False)] = None,
    strict: Strict = False,
    whitespace: Annotated[
        str | None,
        typer.Option(
            help="Blanks of a document: any, bounded, compact, oneline, or the indent of json.dumps.",
            show_default=False,
        ),
    ] = None,
    max_string: MaxString = None,
    max_items: MaxItems = None,
) -> None:
    """Let a model write a document of a schema, a text of a grammar or a regular expression, or tool calls.

    The prompt is one text (--prompt), or a file of them (--prompts). The model is asked as in Python: with
    its chat template if it has one, and then the outline of the schema follows the prompt. The embedded
    models read the outline too, and write as json.dumps does.

    With --method the texts are draws from the model's own distribution. A summary goes to stderr. Ctrl-C ends
    the run and prints the draws so far.

    With --tools the reply is printed as the model wrote it; --json has its texts and calls apart.

    Exit status: 0 done; 1 a text ended in an error, or there is no draw; 2 wrong usage, or the model, schema
    or grammar is not usable; 130 Ctrl-C.
    """
    import structgen as sg

    drawing: DrawOptions | None = None
    try:
        if method is not None:
            drawing = DrawOptions(method, n, weights, budget, seconds, standard_error, tree, out)
        else:
            check_none(
                {
                    "--weights": weights,
                    "--budget": budget is not None,
                    "--seconds": seconds is not None,
                    "--standard-error": standard_error is not None,
                    "--tree": tree is not None,
                }
            )
        strategies, watching = _strategies(strategy or ()), _monitors(monitor or ())
        if temperature is None:
            draws = drawing is not None or any(one.draws for one in strategies)
            temperature = 1.0 if draws else 0.0
        if drawing is not None:
            drawing.check(
                temperature,
                {
                    "--prompts": prompts is not None,
                    "--ray": ray,
                    "--start-over": start_over,
                    "--stream": stream,
                    "--trace": trace is not None,
                    "--stop": bool(stop),
                    "--logprobs": bool(logprobs),
                    "--speculation": speculation != Speculates.AUTO,
                    "--edit": edit is not None,
                    "--draft-model": draft_model is not None,
                    "--strategy": bool(strategies),
                    "--monitor": bool(watching),
                    "--usage": usage,
                },
                any(one is not None for one in (schema, type_, grammar, ebnf, regex, tools)),
            )
        if prompt is None and prompts is None and str(edit) != "-" and has_piped_input():
            prompt = read_input(Path("-"), "--prompt").strip() or None
        if (prompt is None) == (prompts is None):
            raise OptionError(
                "One of --prompt and --prompts is needed.",
                where="--prompt",
                cure="Give one of them, or a pipe with a text.",
            )
        if prompts is not None and (out is None or stream or trace is not None or usage or n != 1):
            raise OptionError(
                "--prompts takes --out FILE, and no --stream, --trace, --usage or --n.",
                where="--prompts",
                cure="See --help.",
            )
        of_ray = workers is not None or ray_engine != "structgen" or engine_options is not None
        if (ray and prompts is None) or (of_ray and not ray):
            raise OptionError(
                "--ray is for --prompts; --workers, --engine and --engine-options are for --ray.",
                where="--ray" if ray else "--workers" if workers is not None else "--engine",
                cure="See --help.",
            )
        if prompts is None and drawing is None and (out is not None or start_over):
            raise OptionError(
                "--out needs --prompts or --method; --start-over needs --prompts.",
                where="--out" if out is not None else "--start-over",
                cure="Name it with --prompts, add --method, or redirect what is printed.",
            )
        if (stream or trace is not None) and n != 1:
            raise OptionError(
                "--stream and --trace write one sample only.", where="--n", cure="Leave one of them out."
            )
        if sum(one is not None for one in (schema, type_, grammar, ebnf, regex)) > 1:
            raise OptionError(
                "Only one of --schema, --type, --grammar, --ebnf and --regex may be given.",
                where="--schema",
                cure="Give one.",
            )
        of_grammar = import_path or bind or postlex is not None or lexer is not None
        if grammar is None and (of_grammar or (ebnf is None and start is not None)):
            raise OptionError(
                "--start, --import-path, --postlex, --bind and --lexer need --grammar.",
                where="--grammar",
                cure="Name its file.",
            )
        if without and all(one is None for one in (schema, type_, grammar, ebnf, regex)):
            raise OptionError(
                "--without needs a schema or a grammar.", where="--without", cure="Give one beside it."
            )
        if strict and schema is None:
            raise OptionError("--strict needs a schema.", where="--strict", cure="Name its file.")
        policies = {
            "whitespace": None if whitespace is None else number_or_word(whitespace),
            "max_string": max_string,
            "max_items": max_items,
        }
        policies = {name: value for name, value in policies.items() if value is not None}
        if policies and schema is None and type_ is None and tools is None:
            option = "--" + next(iter(policies)).replace("_", "-")
            raise OptionError(f"{option} needs a schema or a type.", where=option, cure="Add --schema FILE.")
        form = form_of_tools(
            tools,
            tool_choice,
            parallel,
            tool_format,
            policies,
            {
                "--schema": schema is not None,
                "--type": type_ is not None,
                "--grammar": grammar is not None,
                "--ebnf": ebnf is not None,
                "--regex": regex is not None,
                "--wrap": wrap is not None,
                "--outline": outline is not None,
                "--stop": bool(stop),
                "--prompts": prompts is not None,
                "--method": drawing is not None,
                "--trace": trace is not None,
                "--logprobs": bool(logprobs),
            },
        )
        if type_ is not None:
            form = _named_type(type_, policies, model, wrap)
        if wrap is not None and form is None:
            raise OptionError("--wrap is of types.", where="--wrap", cure="Add --type, or leave it out.")
        reader = None if form is None else form.reader
        if drawing is not None and form is not None and form.grammar is None:
            raise OptionError(
                "A str is free text: the model's own texts are draws already.",
                where="--type",
                cure="Leave --method out, and give --temperature 1.",
            )
        told: Path | str | Grammar | None = None if schema is None else schema_of(schema)
        told = told if form is None else form.grammar
        if grammar is not None:
            told = lark_grammar(grammar, start, import_path, postlex, lexer, bind)
        if ebnf is not None or regex is not None:
            told = text_grammar(ebnf, regex, start)
        # how many draws are made is no matter of one request
        samples = n if drawing is None else 1
        guesses = _speculation(speculation, edit, draft_model, prompt)
        request_of = _requests(
            told,
            model.startswith("structgen/"),
            without or (),
            {"strict": strict, **policies},
            {
                "sampling": sg.Sampling(
                    temperature=temperature,
                    seed=seed,
                    logit_bias=_biases(logit_bias or []),
                    min_tokens=min_tokens,
                    repetition=sg.Repetitions() if repetition else None,
                    strategy=strategies,
                    monitors=watching,
                ),
                "max_tokens": max_tokens,
                "stop": stop or (),
                "n": samples,
                "logprobs": logprobs,
                "speculation": guesses,
                "outline": outline,
                "choices": choices.value,
            },
        )
        request_of("x")  # wrong options are told before the model is loaded
        if model.startswith("openai:"):
            check_served(
                {
                    "--method": drawing is not None,
                    "--prompts": prompts is not None,
                    "--ray": ray,
                    "--trace": trace is not None,
                    "--logprobs": bool(logprobs),
                    "--speculation": speculation != Speculates.AUTO,
                    "--edit": edit is not None,
                    "--draft-model": draft_model is not None,
                    "--strategy": bool(strategies),
                    "--monitor": bool(watching),
                    "--device": device is not None,
                    "--without": bool(without),
                    "--choices": choices != Chooses.WHOLE,
                    **{f"--{name}".replace("_", "-"): True for name in policies},
                }
            )
            asked = request_of(read_input(Path("-"), "--prompt") if prompt == "-" else prompt or "")
            raise typer.Exit(int(ask(model, asked, form, attempts, stream, as_json, usage)))
        if model.startswith("structgen/") and (grammar or ebnf) and not _has_json(told):
            echo(
                "Hint: this small model was trained on JSON documents of outlines alone. What it writes of "
                "another grammar is valid, and makes little sense.",
                err=True,
            )
        if ray and prompts is not None and out is not None:
            with going_on(out):
                work_on_ray(
                    model,
                    prompts,
                    out,
                    request_of,
                    start_over,
                    workers,
                    max_rows,
                    device,
                    ray_engine,
                    engine_options,
                )
            return
        engine = sg.Engine(model, max_rows=max_rows, device=device)
        if not isinstance(guesses, str):
            from structgen.engine.draft_models import check_speculation

            check_speculation(guesses, engine.tokenizer)  # a wrong one is told once, and not for each prompt
        if prompts is not None and out is not None:
            with going_on(out):
                work_through(engine, prompts, out, request_of, start_over)
            return
        assert prompt is not None
        request = request_of(read_input(Path("-"), "--prompt") if prompt == "-" else prompt)
        if form is not None and form.tools is not None:
            if model.startswith("structgen/"):
                echo(
                    "Hint: this small model was not trained for tools: its calls are valid, no more.",
                    err=True,
                )
            raise typer.Exit(int(ask(engine, request, form, attempts, stream, as_json, usage)))
        if drawing is not None:
            draw(engine, request, reader, seed, temperature, drawing, as_json)
        if told is None and model.startswith("structgen/"):
            echo(
                "Hint: this small model knows JSON alone. Give --schema FILE, or --type module:Class.",
                err=True,
            )
        if samples > 1 and temperature == 0:
            echo("Hint: at temperature 0 all samples are the same. Add --temperature 1.", err=True)
        failed = _one(engine, request, stream, as_json, trace, usage, reader, attempts)
    except (StructgenError, OSError) as error:
        refuse(error, as_json)
    raise typer.Exit(int(failed))


def _requests(
    told: Path | str | Grammar | None,
    embedded: bool,
    without: Sequence[str],
    of_schema: dict[str, Any],
    options: dict[str, Any],
) -> Callable[[str], Request]:
    """Return what makes a request of a prompt. `told`: a schema's file or text, a grammar, or None for free
    text. `of_schema`: options of `sg.json_schema`."""
    import structgen as sg

    grammar: Grammar | None
    if isinstance(told, Path | str):
        # documents as the embedded models were trained to write them, and as sg.run has them
        usual: dict[str, Any] = {**sg.JSON_DUMPS, "escapes": "utf8"} if embedded else {}
        with warnings_told():
            grammar = sg.json_schema(told, **{**usual, **of_schema})
    else:
        grammar = told
    if grammar is not None:
        grammar = sg.without(grammar, without)
    return lambda text: sg.Request(text, grammar, **options)


def _has_json(grammar: Any) -> bool:
    """Return whether a text of a text grammar may begin as a JSON object or array does."""
    language = grammar.language(grammar.limits)
    return any(language.step(language.start(), byte) is not None for byte in b"{[")


def _strategies(told: Sequence[str]) -> list[Strategy]:
    """Return what --strategy says."""
    if not told:
        return []
    # start-up time: numpy
    from structgen.engine.strategies.strategy_names import strategy_named

    return [strategy_named(one, lambda name, option: named(name, option, "module:function")) for one in told]


def _monitors(told: Sequence[str]) -> list[Monitor]:
    """Return what --monitor says."""
    if not told:
        return []
    # start-up time: numpy
    from structgen.monitors.monitor_names import monitor_named

    return [monitor_named(one) for one in told]


def _biases(options: list[str]) -> dict[int, float]:
    """Return what --logit-bias says."""
    found: dict[int, float] = {}
    for option in options:
        token, _equals, number = option.partition("=")
        try:
            found[int(token)] = float(number)
        except ValueError:
            raise OptionError(
                f"{option!r} is no bias.", where="--logit-bias", cure="Write TOKEN=NUMBER, as in 42=-100."
            ) from None
    return found


def _speculation(
    wanted: Speculates, edit: Path | None, draft_model: str | None, prompt: str | None
) -> str | Speculation:
    """Return what a request says about guesses. Raises OptionError where the options exclude each other, and
    OSError where the file of --edit cannot be read."""
    if edit is None and draft_model is None:
        return wanted.value
    if wanted == Speculates.OFF:
        raise OptionError(
            "Nothing is guessed with --speculation off.",
            where="--edit" if edit is not None else "--draft-model",
            cure="Leave one of them out.",
        )
    if str(edit) == "-" and prompt == "-":
        raise OptionError(
            "Standard input is the prompt already.", where="--edit", cure="Name a file, or give the prompt."
        )
    from structgen.speculation.speculation_options import Speculation

    text = "" if edit is None else read_input(edit, "--edit")
    return Speculation(edit=text, draft_model=draft_model)


def _named_type(name: str, policies: dict[str, Any], model: str, wrap: bool | None) -> WantedForm:
    """Return what `module:Class` wants of a model."""
    from structgen.typed.forms import check_wrap, form_of_type
    from structgen.typed.writers import wrapping_of

    form = form_of_type(named(name, "--type", "module:Class"), policies, wrapping_of(model, wrap))
    check_wrap(form, wrap)
    return form


def _one(
    engine: Engine,
    request: Request,
    stream: bool,
    as_json: bool,
    trace: Path | None,
    usage: bool,
    reader: TypeReader[Any] | None = None,
    attempts: int = 1,
) -> bool:
    """Write the samples of one prompt; returns whether one ended in an error, or its type refuses it."""
    from structgen.engine.bulk import shown, shown_steps, shown_usage
    from structgen.engine.trace import speculation_told, write_trace
    from structgen.typed.wrapping import Unwrapping, WrappedReader, unwrapped

    is_wrapped = isinstance(reader, WrappedReader)
    handles = engine.submit(request)
    if stream and not as_json:
        inside = Unwrapping() if is_wrapped else None
        handles[0].listen(
            lambda piece: payload(
                (piece or "") if inside is None else inside.add(piece), newline=piece is None
            )
        )
    engine.drive(handles)
    failed = False
    for handle in handles:
        result = handle.result
        assert result is not None
        fault: StructgenError | None = result.error
        if fault is not None and isinstance(fault.__cause__, OSError):
            raise fault.__cause__  # of standard output, while it was streamed to
        if reader is not None:
            most = 1 if stream or request.n > 1 else attempts
            result, fault = _accepted(engine, request, result, reader, most)
        if as_json:
            found = shown(result)
            found["usage"] = shown_usage(result.usage)
            if request.logprobs:
                found["steps"] = shown_steps(result, engine.tokenizer)
            echo_json_text(found)
        elif not stream:
            payload(unwrapped(result.text) if is_wrapped else result.text)
        if fault is not None:
            failed = True
            echo(f"{type(fault).__name__}: {fault}", err=True)
        for said in filter(None, (result.usage.outline, result.usage.choices)):
            echo(f"Hint: {said}", err=True)
        if usage:
            echo(f"{result.usage.tokens:,} tokens, {speculation_told(result.usage)}", err=True)
        if trace is not None:
            write_trace(trace, result, engine.tokenizer, f"structgen generate: {result.finish_reason.value}")
    return failed


def _accepted(
    engine: Engine, request: Request, result: Result, reader: TypeReader[Any], attempts: int
) -> tuple[Result, StructgenError | None]:
    """Return the first text of some attempts that the type's validators take, or the last one and its error.
    As typed functions do, each new attempt is told what the validators said."""
    from structgen.engine.requests import redrawn

    attempt = 0
    while True:
        if result.error is not None:
            return result, result.error
        try:
            reader.read(result.text)
        except ValidatorError as error:
            attempt += 1
            if attempt >= attempts:
                return result, error
            how = redrawn(request.chosen_by, attempt)
            again = replace(request, sampling=how, refused=(result.text, str(error)))
            (result,) = engine.generate(again)
        else:
            return result, None
