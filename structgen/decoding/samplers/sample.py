"""`sg.sample` draws texts from the model's own distribution of valid texts.

- A text is *valid* if the grammar and all checkers accept it, and it has at most `max_tokens` tokens.
- A *checker* is a constraint that no grammar expresses, for example a function from a value to a bool.
- The *target* is the model's distribution, conditioned on the text being valid. *Z* is the probability that
  the model writes a valid text.
- A *run* is the work for one prompt; its result is a `Samples`: the draws, with weights and intervals.
- A *row* is the model's distribution of the next token after one prefix: the unit of cost.
- The *prefix tree* keeps what runs have learnt of a target.
"""

from __future__ import annotations

import json
import math
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from functools import cache, partial
from importlib import import_module
from pathlib import Path as FilePath
from statistics import NormalDist
from types import FrameType, MappingProxyType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Final,
    NamedTuple,
    Never,
    TypeAlias,
    TypedDict,
    TypeVar,
    Unpack,
    overload,
)

import numpy as np

from structgen.base.errors import (
    OF_MONITORS,
    DrawsWarning,
    OptionError,
    StructgenError,
    options_named,
    warning_level,
)
from structgen.base.language import checks
from structgen.base.language.checks import (
    ChoiceCheck,
    NumberCheck,
    PositiveCount,
    Share,
    WholeCheck,
    check_fields,
)
from structgen.base.limits import CACHE_BYTES
from structgen.decoding.runs.exclusions import Exclusion, Exclusions
from structgen.decoding.samplers.checkers import Checker
from structgen.decoding.samplers.estimates import Statistics, clamp_log_z
from structgen.decoding.samplers.intervals.betting import TAIL
from structgen.decoding.samplers.intervals.columns import Range
from structgen.decoding.samplers.intervals.field_paths import (
    MOST_FIELDS,
    parse_path,
    paths_of,
    show_path,
    values_at,
)
from structgen.decoding.samplers.methods import METHODS, OF_PARTICLES, WEIGHTED, WITH_INTERVALS, raj, walks
from structgen.decoding.samplers.methods.smc import Proposal
from structgen.decoding.samplers.problem import Problem, known_fingerprint, target_fingerprint
from structgen.decoding.samplers.rows import FunctionRows, PrefixRows
from structgen.decoding.samplers.run_limits import (
    USUAL,
    Drawn,
    Listener,
    Particles,
    RunProgress,
    SamplingRun,
    progress_listener,
)
from structgen.decoding.samplers.samples import Samples
from structgen.decoding.samplers.target import Bounds, Target, Tokens, Truncation
from structgen.decoding.samplers.tree import Node, PrefixTree
from structgen.tokens.tokenizer import Tokenizer

if TYPE_CHECKING:
    from typing_extensions import TypeForm

    from structgen.asking.request_reading.targets import AnyTarget, TextTarget
    from structgen.decoding.engine.engine import Engine
    from structgen.decoding.runs.wrong_arguments import ArgumentMissing, FineIf, NotAnOption, Wrong

T = TypeVar("T")
GivenModel: TypeAlias = "Engine | str | FilePath | Callable[[list[int]], Any] | Any"
OnePrompt: TypeAlias = str | Sequence[int]
ManyPrompts: TypeAlias = list[str] | Sequence[Sequence[int]]
Until: TypeAlias = (
    "float | tuple[Callable[[Any], Any] | str, float] | tuple[Callable[[Any], Any] | str, float, Range]"
)
_KEPT_TREE: Final = CACHE_BYTES // 32
"""The most bytes of a prefix tree that draws keep for `Samples.add`. Without the tree, added draws read its
rows again."""
_ABOVE_ZERO: Final = (1e-30, 1e30, "a number above 0")


class TypedSampleOptions(TypedDict, total=False):
    """The keywords of `sample` that typed functions have too; see there."""

    checkers: Sequence[Checker]
    max_tokens: int | None
    method: str
    budget: int | None
    seconds: float | None
    until: Until | None
    seed: int
    temperature: float
    tree: PrefixTree | Sequence[PrefixTree] | None
    progress: Callable[[RunProgress], None] | bool | None
    top_k: int
    top_p: float
    min_p: float
    particles: int | None
    resampling_threshold: float
    proposal: Proposal | None


class AskingOptions(TypedDict, total=False):
    """The keywords of `sample`, `score` and `most_probable` that say how a model is asked; see `sample`."""

    tokenizer: Tokenizer | Any | None
    name: str
    outline: bool | None
    chat: bool | None


class TargetOptions(AskingOptions, total=False):
    """The keywords of `score` and `most_probable` that say what is valid; see `sample`."""

    checkers: Sequence[Checker]
    max_tokens: int | None


class SampleOptions(TypedSampleOptions, AskingOptions, total=False):
    """The keywords of `sample`; see there."""


def temperature_above_0(name: str, value: Any) -> float:
    """Return a temperature. Raises OptionError for 0, and for a value that is not a temperature. `name` is
    the option's name in errors."""
    if value == 0:
        raise OptionError(
            "At temperature 0 the model has one text, not a distribution.",
            where=name,
            cure="Use sg.Engine with temperature=0 for the likeliest tokens, or a temperature above 0 here.",
        )
    return checks.check_number(name, value, *_ABOVE_ZERO)


def _check_checkers(name: str, value: Any) -> Sequence[Checker]:
    """Return the checkers of an option. Raises OptionError for a value that is not a list."""
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise OptionError(
            f"must be a list, got {type(value).__name__}.",
            where=name,
            cure="Pass a list, even of one: checkers=[...].",
        )
    return value


def _most_tokens(name: str, value: Any) -> int:
    """Return the most tokens of a text; None stands for the default."""
    return 256 if value is None else checks.check_whole(name, value, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSettings:
    """The options that `sample`, `score` and `most_probable` share: how a model is asked, and what is valid;
    with their defaults."""

    checkers: Annotated[Sequence[Checker], _check_checkers] = ()
    max_tokens: Annotated[int, _most_tokens] = 256
    tokenizer: Tokenizer | Any | None = None
    name: str = ""
    outline: bool | None = None
    chat: bool | None = None

    def __post_init__(self) -> None:
        check_fields(self)

    def make_problem(self, model: Any, grammar: Any) -> Problem:
        """Return a model with a grammar. Raises OptionError."""
        return Problem(model, grammar, self.tokenizer, self.name, self.outline, self.chat)

    def make_target(
        self, model: Any, prompt: str | Sequence[int], grammar: Any, temperature: float
    ) -> tuple[Problem, Target, str]:
        """Return the problem, the target after a prompt, and the target's digest ("" if a part has no name).

        `model`, `prompt` and `grammar` are those of `sample`; `temperature` is above 0, and was checked.
        For example `make_target(engine, "Name a city:", sg.choice(["Rome", "Oslo"]), 1.0)`. Raises
        OptionError.
        """
        problem = self.make_problem(model, grammar)
        ids = problem.prompt_ids(prompt, "prompt", self.max_tokens)
        (rows,) = problem.row_sources([ids])
        target = problem.make_target(rows, self.checkers, temperature=temperature, max_tokens=self.max_tokens)
        return problem, target, known_fingerprint(ids, target)


class WantedWidth(NamedTuple):
    """The width at which an interval is narrow enough to end a run. The interval is that of log Z, or of the
    mean of `function`."""

    function: Callable[[Any], Any] | str | None
    width: float
    range: Range


def _read_until(name: str, value: Any) -> WantedWidth:
    """Return the wanted width for a value of `until`. The value may be a list, from JSON on the command
    line."""
    if isinstance(value, WantedWidth):
        return value
    if not isinstance(value, tuple | list):
        return WantedWidth(None, checks.check_number(name, value, *_ABOVE_ZERO), None)
    is_pair_or_triple = 2 <= len(value) <= 3
    if not is_pair_or_triple or not (callable(value[0]) or isinstance(value[0], str)):
        raise OptionError(
            f"{value!r} is not a function with a width.",
            where=name,
            cure="Pass a width of the interval of log Z, or (function, width), (function, width, "
            'range), or ("path", width).',
        )
    function, width, *ranges = value
    checked_width = checks.check_number(f"{name}[1]", width, *_ABOVE_ZERO)
    return WantedWidth(function, checked_width, ranges[0] if ranges else None)


@dataclass(frozen=True, slots=True)
class SampleSettings(TargetSettings):
    """The other options of `sample`, with their defaults. Numbers are checked, and numpy's become Python's,
    because fingerprints and seeds need Python's."""

    n: PositiveCount
    method: str = "auto"
    budget: PositiveCount | None = None
    seconds: Annotated[float, NumberCheck(*_ABOVE_ZERO)] | None = None
    until: Annotated[Until, _read_until] | None = None
    seed: Annotated[int, WholeCheck(0, (1 << 64) - 1)] = 0
    temperature: Annotated[float, temperature_above_0] = 1.0
    tree: PrefixTree | Sequence[PrefixTree] | None = None
    progress: Callable[[RunProgress], None] | bool | None = None
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    particles: Annotated[int, WholeCheck(1, 1 << 20)] | None = None
    resampling_threshold: Share = USUAL.threshold
    proposal: Proposal | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        ChoiceCheck(METHODS)("method", self.method)
        # An option that would have no effect is refused, and not ignored.
        _OF_PARTICLES.raise_first(self)
        _OF_INTERVALS.raise_first(self)
        # This call checks the three numbers. Each target makes another `Truncation` of its own.
        Truncation(self.top_k, self.top_p, self.min_p)


DEFAULTS: Final = MappingProxyType({field.name: field.default for field in fields(SampleSettings)})
"""The defaults of the options, as signatures show them."""


@overload
def sample(
    model: GivenModel, prompt: OnePrompt, grammar: TextTarget, n: int, **options: Unpack[SampleOptions]
) -> Samples[str]: ...
@overload
def sample(
    model: GivenModel, prompt: OnePrompt, grammar: AnyTarget, n: int, **options: Unpack[SampleOptions]
) -> Samples[Any]: ...
@overload
def sample(
    model: GivenModel, prompt: OnePrompt, grammar: TypeForm[T], n: int, **options: Unpack[SampleOptions]
) -> Samples[T]: ...
@overload
def sample(
    model: GivenModel, prompt: ManyPrompts, grammar: TextTarget, n: int, **options: Unpack[SampleOptions]
) -> list[Samples[str]]: ...
@overload
def sample(
    model: GivenModel, prompt: ManyPrompts, grammar: AnyTarget, n: int, **options: Unpack[SampleOptions]
) -> list[Samples[Any]]: ...
@overload
def sample(
    model: GivenModel, prompt: ManyPrompts, grammar: TypeForm[T], n: int, **options: Unpack[SampleOptions]
) -> list[Samples[T]]: ...
@overload  # takes no call: for messages about wrong ones
def sample(
    model: GivenModel,
    prompt: OnePrompt | ManyPrompts | Wrong,
    grammar: TypeForm[Any] | TextTarget | AnyTarget | Wrong,
    n: FineIf[int, Never],
    *,
    # the options, by scripts/call_options.py
    checkers: Sequence[Checker] | Wrong = ...,
    max_tokens: int | Wrong | None = ...,
    method: str | Wrong = ...,
    budget: int | Wrong | None = ...,
    seconds: float | Wrong | None = ...,
    until: Until | Wrong | None = ...,
    seed: int | Wrong = ...,
    temperature: float | Wrong = ...,
    tree: PrefixTree | Sequence[PrefixTree] | Wrong | None = ...,
    progress: Callable[[RunProgress], None] | bool | Wrong | None = ...,
    top_k: int | Wrong = ...,
    top_p: float | Wrong = ...,
    min_p: float | Wrong = ...,
    particles: int | Wrong | None = ...,
    resampling_threshold: float | Wrong = ...,
    proposal: Proposal | Wrong | None = ...,
    tokenizer: Tokenizer | Any | Wrong | None = ...,
    name: str | Wrong = ...,
    outline: bool | Wrong | None = ...,
    chat: bool | Wrong | None = ...,
    **unknown: NotAnOption,
) -> Any: ...
@overload
def sample(model: ArgumentMissing, prompt: Any = ..., grammar: Any = ..., **options: Any) -> Any: ...
@options_named(  # type: ignore[misc]  # the last two overloads take what it refuses
    "sg.sample(model, prompt, grammar, n)",
    OF_MONITORS
    | {"standard_error": "Write until=, the width of an interval of log Z"}
    | dict.fromkeys(
        ("strategy", "banned", "repetition_penalty", "presence_penalty", "frequency_penalty"),
        "Leave it out: it changes the law; sg.Engine takes it for other texts than draws",
    ),
    options=SampleOptions,
    defaults=DEFAULTS,
)
def sample(
    model: GivenModel, prompt: OnePrompt | ManyPrompts, grammar: Any, n: int, **options: Unpack[SampleOptions]
) -> Samples[Any] | list[Samples[Any]]:
    """Return draws from the model's distribution of texts, conditioned on the text being valid.

    A text is valid if the grammar accepts it, it has at most `max_tokens` tokens (without the end token),
    and every checker accepts it. The distribution is over token sequences: two tokenisations of a text are
    two outcomes.

    model
        an `sg.Engine`, any model that `sg.Engine` takes, or a function `next_logprobs(ids)` that returns one
        number for each token of the vocabulary (a list, a numpy array or a torch tensor). A function needs
        `tokenizer`, and a `name` that distinguishes it from other functions. Its errors reach the caller.
    prompt
        a text or a sequence of token ids; or a list of several, which gives a list of Samples. A list of
        numbers is one prompt. For several, see below. An engine puts a text into the form that its model
        needs, as for `sg.Request`, with the same options `outline` and `chat`: the embedded models read the
        outline of the schema, and a chat template is applied if the model has one. Token ids are used
        unchanged, and so is a text for a function.
    grammar
        a target of `sg.run`: a grammar, compiled or not, a pattern, a JSON Schema (dict), or a Python type.
        With a type the values are its objects, and a text that its validators refuse is not valid.
    method
        "auto" makes `n` draws by the method that it estimates to be the cheapest; `Samples.method` names it.
        "cars" and "rejection" give exact independent draws. "raj", "importance", "smc" and "awrs" give
        weighted draws, whose weights also estimate Z. With "raj" and "beams" each valid text appears once,
        and `n` is the minimum number of texts. The others (`structgen.decoding.samplers.methods`) draw from
        another distribution, for comparison.
    budget, seconds, until
        limits of the run. `budget` is the most model rows; "auto" spends them on beams if they suffice.
        `seconds` is the most time, exceeded by at most one forward pass. `until` is the width of an interval
        of 95 % at which the run ends; `n` is then the most draws. A number is the width for log Z.
        `(function, 0.02)` or `(function, 0.02, range)` is for a function's mean (`Samples.expectation`).
        At a limit the draws so far are returned, and `statistics.stopped` says why. The first Ctrl-C ends the
        run at its next forward pass, the second one at once. Without budget and seconds a run also ends after
        10,000 attempts in a row without a text.
    seed
        from 0 to 2^64 - 1. The same seed gives the same draws; with a `tree`, other ones in each run.
    tree
        an `sg.samplers.PrefixTree` with the results of earlier runs of the same target, for "auto", "raj",
        "cars", "importance", "beams" and "asap". With checkers, each of them needs a `fingerprint` attribute.
    progress
        True shows a line on stderr. A function is called with a `RunProgress` a few times a second.

    checkers
        constraints, and weights of texts: see `structgen.decoding.samplers.checkers`. Weights (`weigh`) and
        guesses need a method with weights: "importance", "smc" or "awrs".
    top_k, top_p, min_p
        truncate the model's distribution at each token, before the mask (`samplers.target.Truncation`): the
        target is the truncated model's distribution over the valid texts.
    particles, resampling_threshold
        for "smc" and "awrs": particles of each independent run, `n` in all or a few more. A run resamples if
        the effective number of its particles falls below the share `resampling_threshold` (0: never).
    proposal
        for "smc": your distribution of the next token (`structgen.decoding.samplers.methods.smc.Proposal`).

    Several prompts share the model and the compiled grammar. The model reads the first prompts in one pass if
    it supports this. The prompts run one after another. `budget`, `until` and `n` apply to each;
    `seconds` applies to all, and each run has an equal share of the time left. Each prompt's own seed comes
    from its number and `seed`. `tree` is a list, with a tree for each. After Ctrl-C the remaining prompts
    have no draws. A prompt with a proof of Z = 0 has no draws, and the bracket (0, 0).

    Warns (DrawsWarning) if the run has fewer than `n` draws, if a limit ended it early, or if the draws are
    biased. Raises OptionError for an option that has no meaning here, such as a penalty;
    StructgenError if Z is proved to be 0 or the model's logits are not numbers.
    """
    all_options: dict[str, Any] = {**options}
    settings = SampleSettings(n, **all_options)
    # The time limit counts from here, so compiling the grammar is a part of it.
    began = time.monotonic()
    problem = settings.make_problem(model, grammar)
    prompt_list = prompts_of(prompt)
    are_several = prompt_list is not None
    prompts = [
        problem.prompt_ids(item, f"prompt[{at}]" if are_several else "prompt", settings.max_tokens)
        for at, item in enumerate([prompt] if prompt_list is None else prompt_list)
    ]
    trees = _trees_of_prompts(settings.tree, len(prompts) if are_several else None)
    stop = Interruption()
    with stop.catch_interrupts(), progress_listener(settings.progress) as notify:
        draws = _draw_for_each(problem, settings, prompts, trees, began, notify, stop, are_several)
        # Of several prompts, one without valid texts is a result with the bracket (0, 0).
        if not are_several and draws[0].bracket[1] == 0.0:
            raise StructgenError(
                "No text is valid: all texts with a probability above 0 are proved invalid (Z = "
                f"0), after {draws[0].statistics.model_rows:,} model rows.",
                where="grammar",
                cure=f"Increase max_tokens={settings.max_tokens}, or check the checkers.",
            )
        for at, samples in enumerate(draws):
            if (sentences := samples.caveats) and not samples.lists_all:
                where = f"prompt[{at}]: " if are_several else ""
                warnings.warn(DrawsWarning(where + " ".join(sentences)), stacklevel=warning_level())
        return draws if are_several else draws[0]


_OF_INTERVALS: Final = Exclusions(
    Exclusion(
        "until",
        "{} has no intervals.",
        'Remove it, or set method="auto", "raj", "cars", "importance" or "rejection".',
        beside=lambda settings: settings.method not in WITH_INTERVALS and settings.method,
    )
)
_OF_PARTICLES: Final = Exclusions(
    Exclusion(
        ("particles", "resampling_threshold"),
        "{} has no particles.",
        'Remove it, or set method="smc".',
        beside=lambda settings: settings.method not in OF_PARTICLES and settings.method,
    ),
    Exclusion(
        "proposal",
        "A proposal is a function for the particles of smc.",
        'Remove it, or set method="smc".',
        beside=lambda settings: settings.method != "smc" or not callable(settings.proposal),
    ),
)


class Interruption:
    """Notes whether Ctrl-C was pressed, and knows the run that it ends."""

    def __init__(self) -> None:
        self.run: SamplingRun | None = None
        self.is_over = False

    @contextmanager
    def catch_interrupts(self) -> Iterator[None]:
        """Within the context, the first Ctrl-C ends the run at its next forward pass; the next one raises
        KeyboardInterrupt. Does nothing outside the main thread, or if SIGINT has another handler; methods
        then return what is known when they meet a KeyboardInterrupt."""
        if (
            # Python runs signal handlers only in the main thread. A handler that the caller set stays.
            threading.current_thread() is not threading.main_thread()
            or signal.getsignal(signal.SIGINT) is not signal.default_int_handler
        ):
            yield
            return
        signal.signal(signal.SIGINT, self._handle_interrupt)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _handle_interrupt(self, number: int, frame: FrameType | None) -> None:
        """End the run at its next forward pass; at the second Ctrl-C raise KeyboardInterrupt at once."""
        if self.is_over:
            raise KeyboardInterrupt
        self.is_over = True
        if self.run is not None:
            # The run checks `stopped` before its next forward pass, where nothing is half done.
            self.run.stopped = "interrupted"


def _draw_for_each(
    problem: Problem,
    settings: SampleSettings,
    prompts: list[list[int]],
    trees: Sequence[PrefixTree | None],
    began: float,
    notify: Listener | None,
    stop: Interruption,
    are_several: bool,
) -> list[Samples[Any]]:
    """Return the draws for each prompt, one run after another.

    For example, `prompts` [[1, 2], [3]] with `trees` [None, None] give two `Samples`. `prompts` has the
    tokens of each prompt; `trees` has a tree or None for each. `began` is the time when `sample` was called,
    from which `settings.seconds` count. `notify` is called with the progress; None: nobody is. `stop` notes
    Ctrl-C. `are_several` says whether the caller gave a list: a list of one prompt has another seed than the
    prompt alone.
    """
    draws: list[Samples[Any]] = []
    waiting: list[PrefixRows] = []
    for at, ids in enumerate(prompts):
        if not waiting and not stop.is_over:
            try:
                # The model reads as many prompts as fit into one pass.
                waiting = problem.row_sources(prompts[at : at + problem.together])
            except KeyboardInterrupt:
                stop.is_over = True
        if stop.is_over:
            draws.append(_empty_samples(settings))
            continue
        own_options: dict[str, Any] = {"tree": trees[at]}
        seconds_left = settings.seconds
        if seconds_left is not None:
            # An equal share of the remaining time: a run that ends early leaves time to the later ones.
            seconds_left = max(began + seconds_left - time.monotonic(), 0.0) / (len(prompts) - at)
        if are_several:  # runs of different prompts share no random numbers
            own_options["seed"] = _mix_seed(settings.seed, at)
        numbered_notify = None if notify is None else _with_prompt_number(notify, at, len(prompts))
        own_settings = replace(settings, **own_options)
        rows = waiting.pop(0)
        draws.append(draw_for_prompt(problem, own_settings, rows, ids, seconds_left, numbered_notify, stop))
    return draws


def _with_prompt_number(notify: Listener, at: int, count: int) -> Listener:
    """Return a listener that adds to each report the number `at` of its prompt, among `count` prompts."""
    return lambda progress: notify(replace(progress, prompt=at, prompts=count))


def _mix_seed(*numbers: int) -> int:
    """Return a new seed made from a seed and other numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])


def draw_for_prompt(
    problem: Problem,
    settings: SampleSettings,
    rows: PrefixRows,
    ids: list[int],
    seconds: float | None,
    notify: Listener | None,
    stop: Interruption,
    learnt_tree: PrefixTree | None = None,
) -> Samples[Any]:
    """Return the draws of one run after one prompt, with the seed and the tree of `settings`.

    For example `draw_for_prompt(problem, settings, rows, [1, 2], None, None, Interruption())`. `rows` makes
    the model's rows after the prompt, whose tokens are `ids`. `seconds` is the time of this run; None: no
    limit (`settings.seconds` is the time of each later addition). `notify` is called with the progress.
    `stop` gets the run, so that Ctrl-C can end it. `learnt_tree` is the tree of the run that this one
    continues. Raises OptionError for checkers with weights that the method cannot use. Raises LimitError if a
    limit of the grammar left no draw.
    """
    method, tree = settings.method, settings.tree
    assert tree is None or isinstance(tree, PrefixTree), "a run has one tree"
    truncation = Truncation(settings.top_k, settings.top_p, settings.min_p)
    target = problem.make_target(
        rows,
        settings.checkers,
        temperature=settings.temperature,
        max_tokens=settings.max_tokens,
        truncation=truncation,
    )
    if target.has_weights and method not in WEIGHTED:
        raise OptionError(
            f"{method} cannot draw from a target with weights (`weigh`).",
            where="method",
            cure=f"Use one of {', '.join(WEIGHTED)}.",
        )
    run = SamplingRun(
        target,
        tree or learnt_tree or PrefixTree(),
        settings.n,
        settings.seed,
        problem.width,
        settings.budget,
        seconds,
        progress=notify,
        stopped="interrupted" if stop.is_over else "",
        began=time.monotonic(),
        particles=Particles(settings.particles, settings.resampling_threshold, settings.proposal),
    )
    stop.run = run
    if settings.until is not None:
        assert isinstance(settings.until, WantedWidth), "checked in SampleSettings"
        run.until = partial(_needed_draws, settings.until, method, problem, run)
    if isinstance(rows, FunctionRows):
        # A caller's function may be slow, so the limits are also checked between two of its calls.
        rows.is_over = lambda: not run.afford_rows(0)
    try:
        # A tree of the caller is bound to its target. A new tree belongs to this run alone.
        with run.tree.used("" if tree is None else target_fingerprint(ids, target)):
            if run.tree.runs:
                # The tree has learnt from the random numbers of this seed, so the run needs other ones.
                run.seed = _mix_seed(run.seed, run.tree.runs)
            method_draws = _draw_by_method(run, method, is_continued=learnt_tree is not None)
    finally:
        target.close()
    if run.limit is not None and not method_draws.tokens:
        # With some draws, the limit is only the reason of the end (`statistics.stopped`).
        raise run.limit
    stop.is_over = stop.is_over or run.stopped == "interrupted"
    if notify is not None:
        notify(run.state(len(method_draws.tokens)))
    method = method_draws.method or method
    samples = _samples_of_run(method, problem, run, method_draws, known_fingerprint(ids, target))
    if method not in WITH_INTERVALS or samples.attempts is None:
        return samples

    # Draws keep neither the run with its rows nor a large tree: they would hold it as long as they live.
    kept_tree = run.tree if tree is not None or run.tree.nbytes <= _KEPT_TREE else None
    return replace(samples, again=partial(_draw_again, problem, settings, ids, kept_tree))


def _draw_again(
    problem: Problem,
    settings: SampleSettings,
    ids: list[int],
    kept_tree: PrefixTree | None,
    n: int,
    number: int,
) -> Samples[Any]:
    """Return `n` more draws of a run, which continues with what it has learnt.

    `settings` are those of its first draws; `ids` are the tokens of the prompt. `kept_tree` is its tree;
    None: the tree was too large to keep. `number` is the number of runs so far, for example 1 at the first
    addition.
    """
    # Draws that are added must be new to the tree, so their seed is mixed with their number.
    more_settings = replace(settings, n=n, seed=_mix_seed(settings.seed, 0, number))
    interruption = Interruption()
    with interruption.catch_interrupts():
        (rows,) = problem.row_sources([ids])
        tree = kept_tree or PrefixTree()
        return draw_for_prompt(problem, more_settings, rows, ids, settings.seconds, None, interruption, tree)


def _draw_by_method(run: SamplingRun, method: str, *, is_continued: bool) -> Drawn:
    """Return the draws of a method. `is_continued` says whether this run continues an earlier one."""
    if method in walks.WALKS:
        return walks.draw(run, method)
    if method == "auto" and is_continued:
        # The first run has chosen the walks. A new choice would make draws that cannot be joined.
        return raj.draw(run, repeats=True)
    module = import_module(f"structgen.decoding.samplers.methods.{method}")
    method_draws: Drawn = module.draw(run)
    return method_draws


def _needed_draws(
    until: WantedWidth, method: str, problem: Problem, run: SamplingRun, method_draws: Drawn
) -> float:
    """Return an estimate of the draws that make an interval of the wanted width; 0 if it is narrow enough.

    For example `_needed_draws(WantedWidth(None, 0.1, None), "cars", problem, run, draws)` is about log Z. The
    estimate is the number for which a normal distribution with the observed spread has this width, and half
    more. Half more, because intervals by betting are wider, and draws with weights are worth less than exact
    ones. A wrong estimate costs draws, but no coverage. `problem` and `run` made `method_draws` by `method`.
    """
    samples = _samples_of_run(method, problem, run, method_draws, "")
    function, width, value_range = until
    attempts, count = samples.attempts, len(samples.texts)
    # Nothing is known about the spread yet, so the run continues.
    if attempts is None or not count or not attempts.worth > 0:
        return math.inf
    if function is None:
        interval = samples.log_z_interval
        parts = attempts.known + attempts.weights
        variance = float(parts.var() / parts.mean() ** 2) * count / len(parts)
    else:
        column = samples.numbers_of(function, value_range, "until")
        if not column.has_range:
            raise OptionError(
                "The function has no range, so its mean has no interval.",
                where="until",
                cure="Pass the range, until=(function, width, (least, most)), or return True and False.",
            )
        mean, interval = samples.mean_of(column)
        # The shares are scaled to 0..1. The width is asked for in the function's own numbers.
        spread = column.shares * (column.maximum - column.minimum) + column.minimum - mean
        variance = float(samples.weights @ spread**2) * count / attempts.worth
    if interval is not None and interval.high - interval.low <= width:
        return 0.0
    errors_in_width = 2 * NormalDist().inv_cdf(1 - TAIL)
    normal_count = variance * (errors_in_width / width) ** 2
    return max(1.5 * normal_count, 1.0)


def _samples_of_run(
    method: str, problem: Problem, run: SamplingRun, method_draws: Drawn, mark: str
) -> Samples[Any]:
    """Return the draws of a run as the `Samples` that callers get.

    `method` is the name to show; in place of "auto" it is the method that was chosen. `mark` is the digest of
    the target; "": a part of it has no name, or no digest is needed (`_needed_draws`).
    """
    # The values and the masses are made now: `Samples` must not hold the target with its rows and caches.
    target = run.target
    texts = [target.text_of(tokens) for tokens in method_draws.tokens]
    is_json = target.compiled.has_events
    # a tree bounds the mass of the valid texts, but not their weights
    bracket = (0.0, math.inf) if target.has_weights else run.tree.bracket
    return Samples(
        method,
        [text.decode("utf-8", "replace") for text in texts],
        [target.value(text) for text in texts],
        method_draws.tokens,
        method_draws.logprobs,
        method_draws.log_weights,
        method_draws.is_exact and not run.is_cut,
        method_draws.is_biased,
        clamp_log_z(method_draws.log_z, bracket),
        bracket,
        Statistics(
            method_draws.attempts,
            len(method_draws.tokens),
            run.model_rows,
            time.monotonic() - run.began,
            run.stopped or "n",
            checks=target.checks,
            tree_rows=run.tree_rows,
            reread_positions=target.rows.reread,
        ),
        None if target.has_weights else method_draws.attempt_record,
        masses=[_masses_along(target.masses, tokens, run.tree.root) for tokens in method_draws.tokens],
        is_json=is_json,
        about={
            "model": target.rows.name,
            "temperature": float(target.temperature),
            "max_tokens": target.max_tokens,
            "checkers": len(target.checkers),
            "n": run.n,
            "seed": run.seed,
        },
        pieces={
            token: target.text_of((token,)).decode("utf-8", "replace")
            for token in set[int]().union(*method_draws.tokens)
        },
        log_z_of_clouds=method_draws.log_z_of_clouds,
        target=mark,
        # Ranges need another reading of the schema, so they are found when they are asked for.
        find_ranges=cache(partial(_find_ranges, problem, texts if is_json else [], target.max_tokens)),
    )


def _find_ranges(problem: Problem, texts: list[bytes], max_tokens: int) -> dict[str, Bounds]:
    """Return the range of each path at which a text has a number, for example {"age": (0.0, 150.0)}. Lengths
    of lists count as numbers. `texts` are the drawn texts."""
    values = [json.loads(text) for text in texts]
    paths = [
        path
        for path in paths_of(values)
        if parse_path(show_path(path)) == path  # a key with a dot has no path of its own
        and any(
            isinstance(number, int | float) for value in values for number in values_at(value, path).values()
        )
    ]
    return problem.field_ranges(paths[:MOST_FIELDS], max_tokens)


def _masses_along(
    known_masses: Mapping[int, float], tokens: Tokens, root: Node | None
) -> tuple[float, ...] | None:
    """Return z at each prefix of a text, from the empty one to the whole text; None if one of them is
    unknown. `root` is the tree's root: it knows texts that earlier runs found.

    Cost: O(L^2) for a text of L tokens, about 0.1 ms for 256.
    """
    node = root
    masses: list[float] = []
    for depth in range(len(tokens) + 1):
        mass = known_masses.get(hash(tokens[:depth]))
        if mass is None:
            # This run has not read the prefix, but an earlier run with the same tree may have.
            if node is None:
                return None
            mass = float(node.probabilities.sum()) + node.end + node.rest
        masses.append(mass)
        if node is not None and depth < len(tokens):
            # The node may have no slot for the token: it keeps the likeliest ones only.
            slots = np.flatnonzero(node.tokens == tokens[depth])
            node = node.children.get(int(slots[0])) if len(slots) else None
    return tuple(masses)


def _empty_samples(settings: SampleSettings) -> Samples[Any]:
    """Return the empty result of a prompt that was not reached."""
    none = np.empty(0)
    statistics = Statistics(0, 0, 0, 0.0, "interrupted")
    return Samples(
        settings.method,
        [],
        [],
        [],
        none,
        none,
        is_exact=False,
        is_biased=False,
        log_z=math.nan,
        bracket=(0.0, 1.0),
        statistics=statistics,
        about={"n": settings.n},
    )


def prompts_of(prompt: Any) -> list[Any] | None:
    """Return the prompts of a list; None for a single prompt: a text, or a sequence of numbers."""
    prompt_list = prompt.tolist() if hasattr(prompt, "tolist") else prompt
    if isinstance(prompt_list, str) or not isinstance(prompt_list, Sequence) or not len(prompt_list):
        return None
    # A single prompt may be a list of numbers, so the first item decides.
    first_item = prompt_list[0]
    has_prompts = isinstance(first_item, str) or hasattr(first_item, "__iter__")
    return list(prompt_list) if has_prompts else None


def _trees_of_prompts(
    tree: PrefixTree | Sequence[PrefixTree] | None, prompts: int | None
) -> Sequence[PrefixTree | None]:
    """Return a tree, or None, for each prompt; `prompts` is None for a single prompt."""
    if tree is None or (prompts is None and isinstance(tree, PrefixTree)):
        return [tree] * (prompts or 1)
    tree_list = list(tree) if isinstance(tree, Sequence) else []
    if len(tree_list) != prompts or not all(isinstance(item, PrefixTree) for item in tree_list):
        raise OptionError(
            "Either every prompt has its own PrefixTree, or none has one.",
            where="tree",
            cure="Pass one tree for one prompt, or a list with one tree for each prompt.",
        )
    # A tree is bound to the target of its first run, so two prompts cannot share one.
    if len(set(map(id, tree_list))) < len(tree_list):
        raise OptionError(
            "One tree is used for two prompts.", where="tree", cure="Pass a separate tree for each prompt."
        )
    return tree_list
