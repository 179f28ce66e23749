"""`infill`: a masked-diffusion model fills the holes of a template, exactly within a grammar.

A *template* is a text with holes, a *hole* a place where text is to come: `{"age": {age: int, 4}}` has one
hole, of the type int and with 4 slots. A *slot* holds one token, or stays empty. The *canvas* is the model's
input: the prompt and all slots. A *language* here is a grammar with its automaton (`HoleLanguage`). There is
one for the whole text, or one for each hole, or both.
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypedDict, Unpack, get_args

from structgen.base.errors import (
    FullHoleWarning,
    LimitError,
    NoFillingError,
    OptionError,
    TokenizerError,
    options_named,
    warning_level,
)
from structgen.base.language import checks
from structgen.base.language.checks import (
    ChoiceCheck,
    Count,
    InstanceCheck,
    NumberCheck,
    PositiveCount,
    Switch,
    WholeCheck,
    check_fields,
)
from structgen.decoding.engine.model_prompts import ModelPrompts, ModelQuestion
from structgen.decoding.engine.models import tokenizer_of
from structgen.decoding.infilling.automata_of_grammars import (
    MAX_STATES,
    MOST_STATES,
    HoleLanguage,
    grammar_of,
    language_of,
)
from structgen.decoding.infilling.canvas import SLOTS, Canvas, Conventions, Piece
from structgen.decoding.infilling.denoising import CanvasUsage, DenoisingStep, denoise
from structgen.decoding.infilling.given_fields import parts_of_given, value_at
from structgen.decoding.infilling.intersection import NO_MARKS, Marks, intersect_types
from structgen.decoding.infilling.masked_model import MaskedModel
from structgen.decoding.infilling.obstacles import raise_obstacle
from structgen.decoding.infilling.results import Infilled, text_of
from structgen.decoding.infilling.schedulers import GONE, ConfidentPrefix, Scheduler, find_scheduler
from structgen.decoding.infilling.template import TYPES, FixedText, Hole, Parts, parts_of
from structgen.decoding.infilling.text_behind import add_suffix, drop_suffixes, punctuation_behind
from structgen.decoding.infilling.token_automaton import TokenAutomaton
from structgen.decoding.runs.exclusions import Exclusion, Exclusions
from structgen.decoding.runs.resources import model_name
from structgen.decoding.speculation.drafts.model_rows import Tokens
from structgen.machines.core.compiled import plain_grammar
from structgen.tokens.tokenizer import Tokenizer

Length = Literal["at most", "exact"]

_MASK_TEXTS: Final = ("<|mask|>", "<|mdm_mask|>", "[MASK]", "<mask>", "<|MASK|>")
"""The mask tokens of known models (LLaDA, Dream, SDAR, BERT, structgen)."""
_EXCLUDED: Final = Exclusions(
    Exclusion(
        "given", "A template already contains the given fields.", "Remove one of them.", beside="template"
    ),
    Exclusion(
        "holes",
        "With given=, the schema determines the other fields.",
        "Put it into the schema, or write a template with grammar=schema.",
        beside="given",
    ),
    Exclusion(
        "template",
        "A template or a grammar is needed.",
        "Give one.",
        when=lambda names: names <= {"holes"},
    ),
)
"""Options that exclude each other, by the names of those that the caller gives."""


class InfillOptions(TypedDict, total=False):
    """The keywords of `infill`; see there."""

    grammar: Any
    holes: Mapping[str, Any] | None
    given: Mapping[str, Any] | None
    prompt: str | Sequence[int]
    outline: bool | None
    chat: bool | None
    slots: int | Mapping[str, int] | None
    length: Length
    scheduler: str | Scheduler
    sure: float | None
    temperature: float
    seed: int
    tokenizer: Tokenizer | Any | None
    depth: int | None
    max_states: int | None
    timeout: float | None
    listen: Callable[[DenoisingStep, Canvas], None] | None


def _check_template(name: str, value: Any) -> str:
    """Return a template that UTF-8 can encode. Raises OptionError."""
    cure = "Pass a text; fill many with [sg.infill(model, one) for one in texts]."
    return checks.check_encodable(name, InstanceCheck(str, cure)(name, value))


@dataclass(frozen=True, slots=True)
class InfillSettings:
    """The template and the options of `infill`, with their defaults; they are checked."""

    template: Annotated[str, _check_template] | None = None
    grammar: Any = None
    holes: (
        Annotated[Mapping[str, Any], InstanceCheck(Mapping, "Pass a dict of types by the holes' names.")]
        | None
    ) = None
    given: Annotated[Mapping[str, Any], InstanceCheck(Mapping, "Pass a dict of the known fields.")] | None = (
        None
    )
    prompt: Annotated[
        str | Sequence[int], InstanceCheck(str | Sequence, "Pass a text, or a sequence of token ids.")
    ] = ""
    outline: Switch | None = None
    chat: Switch | None = None
    slots: (
        Annotated[
            int | Mapping[str, int],
            InstanceCheck(int | Mapping, "Pass a number, or a dict of numbers by the holes' names."),
        ]
        | None
    ) = None
    length: Annotated[Length, ChoiceCheck(get_args(Length))] = "at most"
    scheduler: str | Scheduler = "auto"
    sure: float | None = None
    temperature: Annotated[float, NumberCheck(1e-6, 1e6, "0 or a number above it", 0.0)] = 0.0
    seed: Annotated[int, WholeCheck(0, (1 << 64) - 1)] = 0
    tokenizer: Tokenizer | Any | None = None
    depth: Count | None = None
    max_states: PositiveCount | None = None
    timeout: Annotated[float, checks.check_seconds] | None = None
    listen: (
        Annotated[
            Callable[[DenoisingStep, Canvas], None],
            InstanceCheck(Callable, "Pass a function of a step and a canvas."),
        ]
        | None
    ) = None

    def __post_init__(self) -> None:
        check_fields(self)
        inputs = {"template": self.template, "given": self.given, "holes": self.holes or None}
        _EXCLUDED.raise_first(
            {name for name, value in {**inputs, "grammar": self.grammar}.items() if value is not None}
        )


@options_named(
    'sg.infill("structgen/infill", grammar=grammar, prompt=prompt)',
    GONE,
    options=InfillOptions,
    defaults={field.name: field.default for field in fields(InfillSettings)},
)
def infill(
    model: MaskedModel | str | Path | Any, template: str | None = None, **options: Unpack[InfillOptions]
) -> Infilled:
    """Fill the holes of a template with a masked-diffusion model. The text always belongs to the language.

    model
        `structgen/infill` (or `infill`), a folder of a known family, or any object with the members of
        `MaskedModel`, which needs `tokenizer`.
    template
        text with holes: `{name}`, `{name: int}`, `{name: /regex/, 8}` (see `template.py`). Without a
        template: the one made of `given`, or one hole for the whole text of `grammar`.
    grammar
        of the whole text: a JSON Schema as a dict (with json.dumps' layout), a regular expression, a grammar,
        or a Python type. Holes may have types as well: then the whole text is in the grammar, and the hole's
        text in its type.
    holes
        types by name, instead of those in the template. Without `grammar` each hole needs a type, and a
        repeated name means the same value. With `grammar` no name may be repeated.
    given
        known fields of the object that `grammar` (a schema as a dict, or a type) describes. They are fixed
        text; the other required fields are holes.
    prompt, outline, chat
        a text is put into the form that the model needs, as `sg.Request` does: for structgen/infill the
        outline of the schema comes before it, and a chat template is applied where the model has one.
        `outline` and `chat` say otherwise. Token ids are read as they are.
    slots, length
        the tokens of a hole, for all holes or by name; a hole without a number has 64, or an equal share of
        the context if that is less. With length "at most" a hole may leave some slots empty; a warning
        (FullHoleWarning) says where it leaves none, though a longer text was possible. "exact" fills all.
    scheduler, sure
        which slots are filled together. "auto" is "confident-prefix": from left to right, as many slots in a
        step as the model is sure of, with the probability `sure` (default: 0.95). "left-to-right" fills one
        slot in a step. An object decides by itself (`schedulers.Scheduler`).
    temperature, seed
        0: the most probable tokens; above: draws. From which law: `schedulers`. The same seed gives the same
        canvas, alone and in a batch.
    depth, max_states
        `depth` limits recursion: the open brackets (JSON) or parser stack entries (other grammars), in all
        grammars that have either. `max_states` limits the states of an automaton before minimisation
        (default: 50,000; 3,000 for Lark, EBNF and composed grammars without a depth).
    timeout
        seconds, after which the remaining slots are filled at once; the text is still complete and valid.
    listen
        is called with each step and the canvas after it.

    Raises NoFillingError, before the model is run, if no filling is valid; OptionError for a causal model, a
    grammar without an automaton, a canvas longer than the model's context and wrong options; StructgenError
    for NaN logits.
    """
    settings = InfillSettings(template, **options)
    scheduler = find_scheduler(settings.scheduler, sure=settings.sure)
    began = time.monotonic()
    masked_model, tokenizer = model_of(model, settings.tokenizer)
    parts = _parts_of(settings)
    prompt = settings.prompt
    if isinstance(prompt, str) and prompt:
        name = model_name(model) if isinstance(model, str | Path) else ""
        prompt = _prompt_tokens(ModelPrompts(name, settings.tokenizer), prompt, settings, tokenizer)
    # Other schedulers fill slots anywhere. They need the fixed text after a hole, which shows the model where
    # the hole ends. So their holes do not take over the punctuation.
    takes_over = settings.length == "at most" and isinstance(scheduler, ConfidentPrefix)
    call = _InfillCall(masked_model, tokenizer, settings, takes_over)
    problem = call.make_problem(parts, _prompt_ids(prompt, masked_model))
    usage = CanvasUsage(compile_seconds=time.monotonic() - began)
    canvas = problem.canvas()
    steps, is_late = denoise(
        masked_model,
        scheduler,
        canvas,
        usage,
        temperature=settings.temperature,
        seed=settings.seed,
        deadline=None if settings.timeout is None else began + settings.timeout,
        listener=settings.listen,
    )
    # After a deadline any valid filling is taken, so a full hole does not mean that its text was cut.
    full_holes = {} if is_late else problem.find_full_holes(canvas)
    for hole, count in full_holes.items():
        message = f"The hole {hole!r} fills all its {count} slots: its text may be truncated."
        cure = "Increase its slots (max_tokens of a typed function)."
        warnings.warn(FullHoleWarning(f"{message} {cure}", hole=hole), stacklevel=warning_level())
    is_given = settings.given is not None
    return problem.make_result(canvas, steps, usage, is_late, is_given, tuple(full_holes))


def _parts_of(settings: InfillSettings) -> Parts:
    """Return the texts and holes to fill: those of the template, or of the template made of the known fields.
    Without either: one hole, for the whole text. Raises OptionError where there is no hole."""
    parts: Parts = [Hole("text")]
    fault = "The template has no hole."
    where = "template"
    cure = "Write {name} where text is to be filled in."
    if settings.given is not None:
        parts = parts_of_given(_schema_of(settings.grammar), settings.given)
        fault = "All required fields are given."
        where = "given"
        cure = "Remove some of them."
    elif settings.template is not None:
        parts = parts_of(settings.template)
    if not any(isinstance(part, Hole) for part in parts):
        raise OptionError(fault, where=where, cure=cure)
    return parts


@dataclass(frozen=True)
class _Problem:
    """A template that has a valid filling, and all that is needed to make a canvas of it."""

    prompt: Tokens
    pieces: tuple[Piece, ...]
    conventions: Conventions
    whole: HoleLanguage | None
    """The language of the grammar of the whole text; None without such a grammar. If holes have types as
    well, it is the intersection of the grammar and the types (`intersection`)."""
    holes: dict[str, HoleLanguage]
    marks: Marks
    """The columns of `whole` that stand for the edges of typed holes; `NO_MARKS` without such holes."""
    tokenizer: Tokenizer

    @property
    def automata(self) -> tuple[TokenAutomaton | None, dict[str, TokenAutomaton]]:
        """The automaton of the whole, and those of the holes, as a canvas takes them."""
        whole = None if self.whole is None else self.whole.automaton
        return whole, {name: language.automaton for name, language in self.holes.items()}

    def canvas(self) -> Canvas:
        """Return a new canvas."""
        return Canvas.from_pieces(self.prompt, self.pieces, self.conventions, *self.automata, self.marks)

    def with_slots(self, name: str, count: int) -> _Problem:
        """Return the same problem, but the holes with this name have `count` slots and must fill them all."""
        pieces = (
            replace(piece, slots=count, min_tokens=count) if piece.name == name else piece
            for piece in self.pieces
        )
        return replace(self, pieces=tuple(pieces))

    @property
    def is_feasible(self) -> bool:
        """Whether there is a valid filling. Cost: a Boolean pass over the lattices."""
        return all(part.lattice.is_feasible for part in self.canvas().parts)

    def find_full_holes(self, canvas: Canvas) -> dict[str, int]:
        """Return the holes whose text may have been cut short: each name with its number of slots.

        The canvas fills such a hole to the last slot, though slots could have stayed empty, and the grammar
        has a longer text. For example {"text": 64}.
        """
        full_holes = {}
        for number, piece in enumerate(self.pieces):
            if not piece.name or piece.min_tokens == piece.slots:
                continue
            is_full = piece.slots == len(canvas.hole_tokens(number))
            # One more slot tells whether the grammar has a longer text.
            if is_full and self.with_slots(piece.name, piece.slots + 1).is_feasible:
                full_holes[piece.name] = piece.slots - piece.suffix_slots
        return full_holes

    def make_result(
        self,
        canvas: Canvas,
        steps: list[DenoisingStep],
        usage: CanvasUsage,
        is_late: bool,
        is_given: bool,
        full: tuple[str, ...],
    ) -> Infilled:
        """Return the result of a filled canvas.

        `steps`, `usage`: the steps and the cost of its denoising. `is_late`: whether the deadline cut it
        short. `is_given`: whether the template was made of known fields, so that holes are named by paths
        ("address.city"). `full`: the names of the holes of `find_full_holes`, for example ("text",).
        """
        tokens = [token for token in canvas.tokens.tolist() if token >= 0]
        text = text_of(tokens, self.tokenizer)
        values: dict[str, Any] = {}
        for number, piece in enumerate(self.pieces):
            if piece.name:
                # The last token may hold the punctuation after the hole, which is not part of its text.
                inside = text_of(canvas.hole_tokens(number), self.tokenizer).removesuffix(piece.suffix)
                values[piece.name] = _read_with(self.holes.get(piece.name), inside)
        value = _read_with(self.whole, text)
        if is_given:
            document = json.loads(text)
            values = {name: value_at(document, name) for name in values}
        return Infilled(
            text,
            values,
            value,
            "deadline" if is_late else "done",
            self._exactness,
            tuple(tokens),
            tuple(steps),
            usage,
            canvas,
            self.tokenizer,
            full,
        )

    @property
    def _exactness(self) -> str:
        """The notes of all languages (`HoleLanguage.exactness`), each once."""
        languages = list(self.holes.values())
        if self.whole is not None:
            languages.append(self.whole)
        notes = sorted({note for language in languages for note in language.exactness.split(", ")})
        # Sorted, "depth<=D" comes first. Where one language is cut, the whole is not exact.
        is_cut = notes[0].startswith("depth")
        return ", ".join(note for note in notes if not (is_cut and note == "exact-fsa"))


def _read_with(language: HoleLanguage | None, text: str) -> Any:
    """Return the value of a text in a language; the text itself if there is no language or it has no
    reader."""
    if language is None or language.read_value is None:
        return text
    return language.read_value(text)


@dataclass(frozen=True)
class _InfillCall:
    """One call of `infill`: a model, its tokenizer and the caller's settings."""

    model: MaskedModel
    tokenizer: Tokenizer
    settings: InfillSettings
    takes_over: bool
    """Whether holes take over the punctuation after them (`text_behind`)."""

    def make_problem(self, parts: Parts, prompt: Tokens) -> _Problem:
        """Return the problem of a template. Raises OptionError; NoFillingError if there is no filling."""
        holes_by_name: dict[str, list[Hole]] = {}
        for part in parts:
            if isinstance(part, Hole):
                holes_by_name.setdefault(part.name, []).append(part)
        self._check_names(holes_by_name)
        _check_text(parts)
        # `_types_of` gives one type or none.
        types = {
            name: target
            for name, hole_group in holes_by_name.items()
            for target in self._types_of(name, hole_group)
        }
        targets = {f"hole {name!r}": target for name, target in types.items()}
        if self.settings.grammar is not None:
            targets["grammar"] = self.settings.grammar
        languages = self._read_languages(targets)
        whole = languages.get("grammar")
        holes = {name: languages[f"hole {name!r}"] for name in types}
        suffixes: dict[str, str] = {}
        if whole is None and self.takes_over:
            with_suffixes = self._add_suffixes(parts, types)
            for name, (suffix, language) in with_suffixes.items():
                suffixes[name] = suffix
                # The value is read from the text without the punctuation, so by the reader of the type alone.
                holes[name] = replace(language, read_value=holes[name].read_value)
            parts = drop_suffixes(parts, suffixes)
        slots = {name: self._requested_slots(name, hole_group) for name, hole_group in holes_by_name.items()}
        pieces = self._make_pieces(parts, slots, len(prompt), suffixes)
        marks = NO_MARKS
        if whole is not None and holes:
            whole, marks = self._intersect_holes(whole, holes, pieces)
        problem = _Problem(prompt, pieces, self._conventions, whole, holes, marks, self.tokenizer)
        if self.model.shift and not prompt and isinstance(parts[0], Hole):
            raise OptionError(
                "The model's logits are shifted by one, so the first token has no prediction.",
                where="prompt",
                cure="Pass a prompt, or begin the template with text.",
            )
        if not problem.is_feasible:
            raise_obstacle(problem.pieces, *problem.automata, problem.marks)
        return problem

    @property
    def _conventions(self) -> Conventions:
        """The special tokens of the model's canvas."""
        end = self.tokenizer.eos_token_ids[0]
        # A model that was trained without a token for unused slots writes end tokens there.
        null_id = getattr(self.model, "null_id", None)
        pad = end if null_id is None else int(null_id)
        return Conventions(self.model.mask_id, end, pad, bool(self.model.shift))

    def _intersect_holes(
        self, whole: HoleLanguage, holes: Mapping[str, HoleLanguage], pieces: Sequence[Piece]
    ) -> tuple[HoleLanguage, Marks]:
        """Return the language of the whole text in which each hole has a text of its type, and the marks of
        its automaton. `whole`: the language of the grammar; `holes`: the languages of typed holes by name;
        `pieces`: the parts of the template as tokens and slots."""
        state_limit = min(self.settings.max_states or MAX_STATES, MOST_STATES)
        automata = tuple((name, language.automaton) for name, language in holes.items())
        outline = tuple(piece.name or piece.tokens for piece in pieces)
        intersection, marks = intersect_types(whole.automaton, outline, automata, state_limit)
        return replace(whole, automaton=intersection), marks

    def _add_suffixes(self, parts: Parts, types: dict[str, Any]) -> dict[str, tuple[str, HoleLanguage]]:
        """Return the punctuation that each hole takes over, and the hole's language with it at the end.

        A hole is left out if its language would then have no automaton with few states. `types`: the type of
        each hole by name.
        """
        languages = {}
        for name, text in punctuation_behind(parts).items():
            where = f"hole {name!r}"
            grammar = add_suffix(types[name], where, text) if text else None
            if grammar is not None:
                # Without an automaton the hole keeps its own language, and the punctuation is fixed text.
                with suppress(OptionError, LimitError):
                    # Beside the type itself: a depth that only one of the two can use is no error.
                    read_languages = self._read_languages({where: grammar, "": types[name]})
                    languages[name] = text, read_languages[where]
        return languages

    def _read_languages(self, targets: dict[str, Any]) -> dict[str, HoleLanguage]:
        """Return the language of each grammar argument. `targets`: the arguments by their place in a message,
        for example "hole 'age'". The option `depth` applies to grammars with brackets or a parser stack.
        Raises OptionError if `depth` is given and no grammar has either."""
        languages: dict[str, HoleLanguage] = {}
        depth_errors: list[OptionError] = []
        language = partial(language_of, tokenizer=self.tokenizer, max_states=self.settings.max_states)
        for where, target in targets.items():
            try:
                languages[where] = language(target, where=where, depth=self.settings.depth)
            except OptionError as error:
                if error.where != "depth" or len(targets) == 1:
                    raise
                # A depth cuts nothing in this language. It may cut another one.
                depth_errors.append(error)
                languages[where] = language(target, where=where)
        if depth_errors and len(depth_errors) == len(targets):
            raise depth_errors[0]
        return languages

    def _check_names(self, holes_by_name: Mapping[str, list[Hole]]) -> None:
        """Raise OptionError for a name in `holes` or `slots` that the template does not have."""
        for option, values in (("holes", self.settings.holes), ("slots", self.settings.slots)):
            for name in values if isinstance(values, Mapping) else ():
                if name not in holes_by_name:
                    raise OptionError(
                        f"The template has no hole {name!r}.",
                        where=option,
                        cure=f"The holes are {', '.join(map(repr, holes_by_name)) or 'none'}.",
                    )

    def _types_of(self, name: str, hole_group: list[Hole]) -> list[Any]:
        """Return a list of the one type of the holes with one name; it is empty if they have none.

        Under a grammar of the whole text a type is optional, and names must be unique.
        """
        if self.settings.grammar is not None and len(hole_group) > 1:
            raise OptionError(
                f"The hole {name!r} is used twice, and the automaton of a grammar for the whole "
                "text cannot repeat a value.",
                where="template",
                cure="Rename one of the holes, or give them types of their own instead of grammar=.",
            )
        # A set: a hole that occurs twice may name its type both times.
        template_types = {(hole.type, hole.pattern) for hole in hole_group} - {("", "")}
        types = self.settings.holes or {}
        targets: list[Any] = [pattern or TYPES[kind] for kind, pattern in template_types]
        if name in types:
            targets.append(types[name])
        if not targets and self.settings.grammar is None:
            raise OptionError(
                f"The hole {name!r} has no type.",
                where="template",
                cure=f"Write {{{name}: str}} or the like, pass holes={{{name!r}: ...}}, or pass "
                f"grammar= for the whole text; in the shell -o holes={name}=FILE, or --schema "
                "or --grammar.",
            )
        if len(targets) > 1:
            raise OptionError(
                f"The hole {name!r} has more than one type.", where="template", cure="Set it once."
            )
        return targets

    def _make_pieces(
        self, parts: Parts, slots: Mapping[str, int], prompt: int, suffixes: dict[str, str]
    ) -> tuple[Piece, ...]:
        """Return the template's parts with tokens and numbers of slots.

        `slots`: the number of slots of each hole by name, 0 where none was asked for. `prompt`: the length of
        the prompt in tokens. `suffixes`: the text that each hole took over, for which it gets more slots. For
        example, with the `slots` {"age": 3} and the suffix `",` of one token the hole has four slots. Raises
        OptionError if prompt and canvas are longer than the context.
        """
        suffix_slots = {name: len(self._encode_text(text)) for name, text in suffixes.items()}
        pieces: list[Piece] = []
        for part in parts:
            if isinstance(part, FixedText):
                pieces.append(Piece(self._encode_text(part.text), part.text))
                continue
            name = part.name
            suffix = suffixes.get(name, "")
            hole_piece = Piece(
                name=name, slots=slots[name], suffix=suffix, suffix_slots=suffix_slots.get(name, 0)
            )
            pieces.append(hole_piece)
        # Holes without a number share the rest of the context. One token ends the canvas.
        used = sum(len(piece) + piece.suffix_slots for piece in pieces)
        remaining = self.model.context - prompt - 1 - used
        sharing_count = sum(bool(piece.name) and not piece.slots for piece in pieces)
        usual_slots = max(1, min(SLOTS, remaining // max(sharing_count, 1)))
        is_exact = self.settings.length == "exact"
        for at, piece in enumerate(pieces):
            if piece.name:
                room = (piece.slots or usual_slots) + piece.suffix_slots
                pieces[at] = replace(piece, slots=room, min_tokens=room if is_exact else 0)
        # The end token follows the canvas, unless the last hole has an empty slot for it.
        has_end_token = pieces[-1].min_tokens == pieces[-1].slots
        token_count = prompt + sum(map(len, pieces)) + has_end_token
        if token_count > self.model.context:
            raise OptionError(
                f"The prompt and the canvas have {token_count:,} tokens, and the model's context is "
                f"{self.model.context:,}.",
                where="slots",
                cure="Reduce the slots of the holes, or shorten the prompt.",
            )
        return tuple(pieces)

    def _requested_slots(self, name: str, hole_group: list[Hole]) -> int:
        """Return the number of slots that the caller or the template gives the holes with one name; 0 if
        neither does."""
        # A number by name goes before that of the template, and the template before one number for all holes.
        counts: set[Any] = {hole.slots for hole in hole_group} - {None}
        slots = self.settings.slots
        if isinstance(slots, Mapping) and name in slots:
            counts = {slots[name]}
        elif not counts and isinstance(slots, int):
            counts = {slots}
        if len(counts) > 1:
            raise OptionError(
                f"The hole {name!r} has {' and '.join(map(str, sorted(counts)))} slots.",
                where="template",
                cure="A name that is used twice stands for one value: set its number of slots once.",
            )
        count: Any = next(iter(counts), 0)
        if counts and (isinstance(count, bool) or not isinstance(count, int) or count < 1):
            raise OptionError(
                f"The hole {name!r} has the length {count!r}: it cannot hold a text.",
                where="slots",
                cure="Give it at least one slot.",
            )
        return int(count)

    def _encode_text(self, text: str) -> Tokens:
        """Return the tokens of fixed text."""
        try:
            return tuple(self.tokenizer.encode(text.encode()))
        except TokenizerError as error:
            raise NoFillingError(
                f"The fixed text {text[:40]!r} cannot be tokenised from hole to hole: {error.what}",
                fixed=text,
                where="template",
                cure="Move the edge of the hole, so that complete tokens are between the holes.",
            ) from error


def _check_text(parts: Parts) -> None:
    """Raise OptionError where fixed text holds a model's mask token."""
    for part in parts:
        for spelling in _MASK_TEXTS:
            if isinstance(part, FixedText) and spelling in part.text:
                raise OptionError(
                    f"The template's text contains {spelling!r}, a model's mask token.",
                    where="template",
                    cure="Write a hole, {name}, where text is to be filled in; remove it elsewhere.",
                )


def model_of(model: Any, tokenizer: Any) -> tuple[MaskedModel, Tokenizer]:
    """Return the model and its tokenizer. `model`: a name, a folder or a `MaskedModel`; `tokenizer`: the
    caller's, or None. Raises OptionError for a causal model, and where there is no tokenizer."""
    if isinstance(model, str | Path):
        # optional: torch
        from structgen.decoding.infilling.presets import load_masked_model

        masked_model, words = load_masked_model(model)
        return masked_model, words if tokenizer is None else tokenizer_of(tokenizer)
    # By hand: `isinstance` with a protocol does not say which member is missing.
    members = [name for name in vars(MaskedModel) if not name.startswith("_")]
    missing_members = [name for name in members if not hasattr(model, name)]
    if missing_members:
        is_causal = hasattr(model, "prefill") or hasattr(model, "get_output_embeddings")
        fault = (
            "is a causal model: it does not fill masks" if is_causal else ("is not a masked-diffusion model")
        )
        raise OptionError(
            f"{type(model).__name__} {fault} (it has no {', '.join(missing_members)}).",
            where="model",
            cure="Pass structgen/infill, a folder of a known family, or an object with the members "
            "of MaskedModel; use a causal model with sg.Engine.",
        )
    if tokenizer is None:
        raise OptionError(
            "A model of your own needs its tokenizer.",
            where="tokenizer",
            cure="Pass AutoTokenizer.from_pretrained(...), or an sg.Tokenizer.",
        )
    own_model: MaskedModel = model
    return own_model, tokenizer_of(tokenizer)


def _prompt_tokens(
    prompts: ModelPrompts, prompt: str, settings: InfillSettings, tokenizer: Tokenizer
) -> Sequence[int]:
    """Return the tokens of a prompt in the form that the model needs.

    `prompts`: makes prompts in this form. `settings` has the grammar, and the options `outline` and `chat`.
    For example, structgen/infill reads the outline of the schema (the schema in one line) before the text.
    """
    grammar = settings.grammar
    target_grammar = None if grammar is None else plain_grammar(grammar_of(grammar, "grammar")[0])
    question = ModelQuestion(
        checks.check_encodable("prompt", prompt),
        target_grammar,
        with_outline=settings.outline,
        chat=settings.chat,
    )
    return prompts.encode_question(question, tokenizer)


def _prompt_ids(prompt: str | Sequence[int], model: MaskedModel) -> Tokens:
    """Return the token ids of an encoded prompt as a tuple. Raises OptionError for the mask's id, and for an
    id outside the vocabulary."""
    ids = tuple(checks.check_tokens("prompt", prompt)) if len(prompt) else ()
    for at, token in enumerate(ids):
        if token >= model.vocab_size or token == model.mask_id:
            fault = "is the mask" if token == model.mask_id else "is outside the model's vocabulary"
            raise OptionError(
                f"Token {token} {fault}.", where=f"prompt[{at}]", cure="Only a template has holes."
            )
    return ids


def _schema_of(grammar: Any) -> Any:
    """Return the JSON Schema of the option `grammar`, whose fields `given` names."""
    if isinstance(grammar, Mapping):
        return grammar
    if isinstance(grammar, type):
        # optional: pydantic
        from structgen.asking.python_types.type_hints import read_type

        return read_type(grammar).schema
    raise OptionError(
        "given= needs the schema of the given fields.",
        where="grammar",
        cure="Pass grammar= as a JSON Schema in a dict, or as a type.",
    )
