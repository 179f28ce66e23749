"""`infill`: a masked-diffusion model fills the holes of a template, exactly within a grammar."""

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
from structgen.base.language.checks import Instance, Number, OneOf, Whole, check_fields
from structgen.base.language.exclusions import Exclusion, Exclusions
from structgen.base.system.resources import model_name
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
from structgen.decoding.infilling.intersection import NO_MARKS, Marks, intersection
from structgen.decoding.infilling.masked_model import MaskedModel
from structgen.decoding.infilling.obstacles import refuse
from structgen.decoding.infilling.results import Infilled, text_of
from structgen.decoding.infilling.schedulers import GONE, ConfidentPrefix, Scheduler, named
from structgen.decoding.infilling.template import TYPES, FixedText, Hole, Parts, parts_of
from structgen.decoding.infilling.text_behind import ended, punctuation_behind, without
from structgen.decoding.infilling.token_automaton import TokenAutomaton
from structgen.decoding.speculation.drafts.model_rows import Tokens
from structgen.grammars.json_grammars.outline_writer import shorter_outlines
from structgen.machines.core.compiled import plain_grammar
from structgen.tokens.tokenizer import Tokenizer

Length = Literal["at most", "exact"]

_MASK_TEXTS: Final = ("<|mask|>", "<|mdm_mask|>", "[MASK]", "<mask>", "<|MASK|>")
"""The mask tokens of known models (LLaDA, Dream, SDAR, BERT, structgen)."""
_EXCLUDED: Final = Exclusions(
    Exclusion("given", "A template says itself what is given.", "Leave one of them out.", beside="template"),
    Exclusion(
        "holes",
        "With given= the schema says what the other fields may hold.",
        "Put it into the schema, or write a template with grammar=schema.",
        beside="given",
    ),
    Exclusion(
        "template",
        "Neither a template nor a grammar says what to fill.",
        "Give one.",
        when=lambda names: names <= {"holes"},
    ),
)
"""Of the names of options that are given."""


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


def _text(name: str, value: Any) -> str:
    """Return a template that UTF-8 can encode. Raises OptionError."""
    cure = "Give a text; fill many by [sg.infill(model, one) for one in texts]."
    return checks.encodable(name, Instance(str, cure)(name, value))


@dataclass(frozen=True, slots=True)
class InfillSettings:
    """The template and the options of `infill`, with their defaults; they are checked."""

    template: Annotated[str, _text] | None = None
    grammar: Any = None
    holes: (
        Annotated[Mapping[str, Any], Instance(Mapping, "Give a dict of types by the holes' names.")] | None
    ) = None
    given: (
        Annotated[Mapping[str, Any], Instance(Mapping, "Give a dict of the fields that are known.")] | None
    ) = None
    prompt: Annotated[
        str | Sequence[int], Instance(str | Sequence, "Give a text, or a sequence of token ids.")
    ] = ""
    outline: Annotated[bool, checks.flag] | None = None
    chat: Annotated[bool, checks.flag] | None = None
    slots: (
        Annotated[
            int | Mapping[str, int],
            Instance(int | Mapping, "Give a number, or a dict of them by the holes' names."),
        ]
        | None
    ) = None
    length: Annotated[Length, OneOf(get_args(Length))] = "at most"
    scheduler: str | Scheduler = "auto"
    sure: float | None = None
    temperature: Annotated[float, Number(1e-6, 1e6, "0, or a number above it", 0.0)] = 0.0
    seed: Annotated[int, Whole(0, (1 << 64) - 1)] = 0
    tokenizer: Tokenizer | Any | None = None
    depth: Annotated[int, Whole(0)] | None = None
    max_states: Annotated[int, Whole(1)] | None = None
    timeout: Annotated[float, checks.seconds] | None = None
    listen: (
        Annotated[
            Callable[[DenoisingStep, Canvas], None],
            Instance(Callable, "Give a function of a step and a canvas."),
        ]
        | None
    ) = None

    def __post_init__(self) -> None:
        check_fields(self)
        said = {"template": self.template, "given": self.given, "holes": self.holes or None}
        _EXCLUDED.refuse(
            {name for name, value in {**said, "grammar": self.grammar}.items() if value is not None}
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
    how = InfillSettings(template, **options)
    scheduler = named(how.scheduler, sure=how.sure)
    began = time.monotonic()
    reads, words = model_of(model, how.tokenizer)
    parts = _parts_of(how)
    prompts = ModelPrompts(model_name(model) if isinstance(model, str | Path) else "", how.tokenizer)
    prompt = how.prompt
    if isinstance(prompt, str) and prompt:
        question = ModelQuestion(checks.encodable("prompt", prompt), with_outline=how.outline, chat=how.chat)
        prompt = _prompt_tokens(prompts, question, words, how.grammar)
    # what fills slots anywhere is led by the fixed text that the model sees behind a hole
    takes_over = how.length == "at most" and isinstance(scheduler, ConfidentPrefix)
    problem = _Asked(reads, words, how, takes_over).problem(parts, _prompt_ids(prompt, reads))
    usage = CanvasUsage(compile_seconds=time.monotonic() - began)
    canvas = problem.canvas()
    steps, is_late = denoise(
        reads,
        scheduler,
        canvas,
        usage,
        temperature=how.temperature,
        seed=how.seed,
        deadline=None if how.timeout is None else began + how.timeout,
        listen=how.listen,
    )
    full = {} if is_late else problem.full(canvas)  # after a deadline a filling is any that is valid
    for name, count in full.items():
        what = f"The hole {name!r} fills all its {count} slots: its text may have been cut short."
        cure = "Give it more slots (max_tokens of a typed function)."
        warnings.warn(FullHoleWarning(f"{what} {cure}", hole=name), stacklevel=warning_level())
    return problem.result(canvas, steps, usage, is_late, how.given is not None, tuple(full))


def _parts_of(how: InfillSettings) -> Parts:
    """Return the parts of the template; of that of the known fields; or one hole, for the whole text."""
    parts: Parts = [Hole("text")]
    what, where, cure = "The template has no hole.", "template", "Write {name} where something is to come."
    if how.given is not None:
        parts = parts_of_given(_schema_of(how.grammar), how.given)
        what, where, cure = "All required fields are given.", "given", "Leave some of them out."
    elif how.template is not None:
        parts = parts_of(how.template)
    if not any(isinstance(part, Hole) for part in parts):
        raise OptionError(what, where=where, cure=cure)
    return parts


@dataclass(frozen=True)
class _Problem:
    """A template with a valid filling, and all that is needed to make a canvas of it."""

    prompt: Tokens
    pieces: tuple[Piece, ...]
    conventions: Conventions
    whole: HoleLanguage | None
    """The grammar's language; if holes have types as well, the intersection of both (`intersection`)."""
    holes: dict[str, HoleLanguage]
    marks: Marks
    """The marks of the edges of such holes."""
    tokenizer: Tokenizer

    @property
    def automata(self) -> tuple[TokenAutomaton | None, dict[str, TokenAutomaton]]:
        whole = None if self.whole is None else self.whole.automaton
        return whole, {name: language.automaton for name, language in self.holes.items()}

    def canvas(self) -> Canvas:
        """Return a new canvas."""
        return Canvas.of(self.prompt, self.pieces, self.conventions, *self.automata, self.marks)

    def exactly(self, name: str, count: int) -> _Problem:
        """Return the problem in which the holes of a name have so many slots and fill them all."""
        pieces = (
            replace(piece, slots=count, least=count) if piece.name == name else piece for piece in self.pieces
        )
        return replace(self, pieces=tuple(pieces))

    @property
    def is_feasible(self) -> bool:
        """Whether there is a valid filling. Cost: a Boolean pass over the lattices."""
        return all(part.lattice.is_feasible for part in self.canvas().parts)

    def full(self, canvas: Canvas) -> dict[str, int]:
        """Return the holes that a filled canvas fills to the last slot, though some slots could have stayed
        empty and the grammar has a longer text; by name, with their numbers of slots."""
        return {
            piece.name: piece.slots - piece.more
            for number, piece in enumerate(self.pieces)
            if piece.name
            and piece.least < piece.slots == len(canvas.hole_tokens(number))
            and self.exactly(piece.name, piece.slots + 1).is_feasible
        }

    def result(
        self,
        canvas: Canvas,
        steps: list[DenoisingStep],
        usage: CanvasUsage,
        is_late: bool,
        is_given: bool,
        full: tuple[str, ...],
    ) -> Infilled:
        """Return the result of a filled canvas."""
        tokens = [token for token in canvas.tokens.tolist() if token >= 0]
        text = text_of(tokens, self.tokenizer)
        values: dict[str, Any] = {}
        for number, piece in enumerate(self.pieces):
            if piece.name:
                inside = text_of(canvas.hole_tokens(number), self.tokenizer).removesuffix(piece.behind)
                language = self.holes.get(piece.name)
                read = None if language is None else language.read
                values[piece.name] = inside if read is None else read(inside)
        value = text if self.whole is None or self.whole.read is None else self.whole.read(text)
        if is_given:
            document = json.loads(text)
            values = {name: value_at(document, name) for name in values}
        languages = [*([] if self.whole is None else [self.whole]), *self.holes.values()]
        notes = sorted({note for language in languages for note in language.exactness.split(", ")})
        is_cut = notes[0].startswith("depth")
        return Infilled(
            text,
            values,
            value,
            "deadline" if is_late else "done",
            ", ".join(note for note in notes if not (is_cut and note == "exact-fsa")),
            tuple(tokens),
            tuple(steps),
            usage,
            canvas,
            self.tokenizer,
            full,
        )


@dataclass(frozen=True)
class _Asked:
    """A model, and what the caller asks of it."""

    model: MaskedModel
    tokenizer: Tokenizer
    how: InfillSettings
    takes_over: bool
    """Whether holes take over the punctuation behind them (`text_behind`)."""

    def problem(self, parts: Parts, prompt: Tokens) -> _Problem:
        """Return the problem of a template. Raises OptionError; NoFillingError if there is no filling."""
        named: dict[str, list[Hole]] = {}
        for part in parts:
            if isinstance(part, Hole):
                named.setdefault(part.name, []).append(part)
        self._check_names(named)
        _check_text(parts)
        types = {name: given for name, same in named.items() for given in self._types_of(name, same)}
        wanted = {f"hole {name!r}": given for name, given in types.items()}
        if self.how.grammar is not None:
            wanted["grammar"] = self.how.grammar
        languages = self._languages(wanted)
        whole = languages.get("grammar")
        holes = {name: languages[f"hole {name!r}"] for name in types}
        behind: dict[str, str] = {}
        if whole is None and self.takes_over:
            ended = self._ended(parts, types)
            behind = {name: text for name, (text, _) in ended.items()}
            holes |= {name: replace(language, read=holes[name].read) for name, (_, language) in ended.items()}
            parts = without(parts, behind)
        slots = {name: self._told_slots(name, same) for name, same in named.items()}
        pieces = self._pieces(parts, slots, len(prompt), behind)
        marks = NO_MARKS
        if whole is not None and holes:
            whole, marks = self._intersection(whole, holes, pieces)
        problem = _Problem(prompt, pieces, self._conventions, whole, holes, marks, self.tokenizer)
        if self.model.shift and not prompt and isinstance(parts[0], Hole):
            raise OptionError(
                "The model's logits are shifted by one: nothing predicts the first token.",
                where="prompt",
                cure="Give a prompt, or begin the template with text.",
            )
        if not problem.is_feasible:
            refuse(problem.pieces, *problem.automata, problem.marks)
        return problem

    @property
    def _conventions(self) -> Conventions:
        """The special tokens of the model's canvas."""
        end = self.tokenizer.eos_token_ids[0]
        pad = getattr(self.model, "null_id", None)
        return Conventions(self.model.mask_id, end, end if pad is None else int(pad), bool(self.model.shift))

    def _intersection(
        self, whole: HoleLanguage, holes: Mapping[str, HoleLanguage], pieces: Sequence[Piece]
    ) -> tuple[HoleLanguage, Marks]:
        """Return the language of the whole text in which each hole is of its type, and its marks."""
        most = min(self.how.max_states or MAX_STATES, MOST_STATES)
        automata = tuple((name, language.automaton) for name, language in holes.items())
        outline = tuple(piece.name or piece.tokens for piece in pieces)
        both, marks = intersection(whole.automaton, outline, automata, most)
        return replace(whole, automaton=both), marks

    def _ended(self, parts: Parts, types: dict[str, Any]) -> dict[str, tuple[str, HoleLanguage]]:
        """Return the punctuation that each hole takes over, and its language with that behind; without those
        whose grammar has no automaton of few states then."""
        languages = {}
        for name, text in punctuation_behind(parts).items():
            where = f"hole {name!r}"
            grammar = ended(types[name], where, text) if text else None
            if grammar is not None:
                with suppress(OptionError, LimitError):
                    languages[name] = text, self._languages({where: grammar, "": types[name]})[where]
        return languages

    def _languages(self, wanted: dict[str, Any]) -> dict[str, HoleLanguage]:
        """Return the language of each grammar. The depth is used for those with brackets or a parser stack;
        an OptionError if none has either."""
        languages: dict[str, HoleLanguage] = {}
        refused: list[OptionError] = []
        language = partial(language_of, tokenizer=self.tokenizer, max_states=self.how.max_states)
        for where, given in wanted.items():
            try:
                languages[where] = language(given, where=where, depth=self.how.depth)
            except OptionError as error:
                if error.where != "depth" or len(wanted) == 1:
                    raise
                refused.append(error)
                languages[where] = language(given, where=where)
        if refused and len(refused) == len(wanted):
            raise refused[0]
        return languages

    def _check_names(self, named: Mapping[str, list[Hole]]) -> None:
        for option, known in (("holes", self.how.holes), ("slots", self.how.slots)):
            for name in known if isinstance(known, Mapping) else ():
                if name not in named:
                    raise OptionError(
                        f"The template has no hole {name!r}.",
                        where=option,
                        cure=f"Its holes are {', '.join(map(repr, named)) or 'none'}.",
                    )

    def _types_of(self, name: str, same: list[Hole]) -> list[Any]:
        """Return the type of the holes with one name, in a list. Under a grammar of the whole text a type is
        optional, and names must be unique."""
        if self.how.grammar is not None and len(same) > 1:
            raise OptionError(
                f"The hole {name!r} stands twice, and the automaton of a grammar of the whole remembers "
                "no value from one place to another.",
                where="template",
                cure="Give the holes different names, or types of their own in place of grammar=.",
            )
        told, types = {(hole.type, hole.pattern) for hole in same} - {("", "")}, self.how.holes or {}
        wanted = [
            *(pattern or TYPES[kind] for kind, pattern in told),
            *([types[name]] if name in types else ()),
        ]
        if not wanted and self.how.grammar is None:
            raise OptionError(
                f"The hole {name!r} has no type.",
                where="template",
                cure=f"Write {{{name}: str}} or the like, say holes={{{name!r}: ...}}, or give grammar= for "
                f"the whole text; in the shell -o holes={name}=FILE, or --schema or --grammar.",
            )
        if len(wanted) > 1:
            raise OptionError(
                f"The hole {name!r} has more than one type.", where="template", cure="Say it once."
            )
        return wanted

    def _pieces(
        self, parts: Parts, slots: Mapping[str, int], prompt: int, behind: dict[str, str]
    ) -> tuple[Piece, ...]:
        """Return the template's parts with tokens and numbers of slots. `slots`: the numbers that are said, 0
        for others; `prompt`: its length in tokens; `behind`: the texts that holes took over, for whose tokens
        they have more slots."""
        more = {name: len(self._tokens(text)) for name, text in behind.items()}
        pieces = [
            Piece(self._tokens(part.text), part.text)
            if isinstance(part, FixedText)
            else Piece(
                (), "", part.name, slots[part.name], 0, behind.get(part.name, ""), more.get(part.name, 0)
            )
            for part in parts
        ]
        # One token ends the canvas.
        left = self.model.context - prompt - 1 - sum(len(piece) + piece.more for piece in pieces)
        untold = sum(bool(piece.name) and not piece.slots for piece in pieces)
        usual = max(1, min(SLOTS, left // max(untold, 1)))
        for at, piece in enumerate(pieces):
            if piece.name:
                room = (piece.slots or usual) + piece.more
                pieces[at] = replace(piece, slots=room, least=room * (self.how.length == "exact"))
        # The end token follows the canvas, unless the last hole has an empty slot for it.
        long = prompt + sum(map(len, pieces)) + (pieces[-1].least == pieces[-1].slots)
        if long > self.model.context:
            raise OptionError(
                f"The prompt and the canvas are {long:,} tokens, and the model's context is "
                f"{self.model.context:,}.",
                where="slots",
                cure="Give the holes fewer slots, or shorten the prompt.",
            )
        return tuple(pieces)

    def _told_slots(self, name: str, same: list[Hole]) -> int:
        """Return the number of slots that the caller or the template gives the holes with one name; 0 if
        neither does."""
        told: set[Any] = {hole.slots for hole in same} - {None}
        slots = self.how.slots
        if isinstance(slots, Mapping) and name in slots:
            told = {slots[name]}
        elif not told and isinstance(slots, int):
            told = {slots}
        if len(told) > 1:
            raise OptionError(
                f"The hole {name!r} has {' and '.join(map(str, sorted(told)))} slots.",
                where="template",
                cure="A name that stands twice means the same value: say how many slots once.",
            )
        count: Any = next(iter(told), 0)
        if told and (isinstance(count, bool) or not isinstance(count, int) or count < 1):
            raise OptionError(
                f"The hole {name!r} has the length {count!r}: nothing could stand there.",
                where="slots",
                cure="Give it a slot at least.",
            )
        return int(count)

    def _tokens(self, text: str) -> Tokens:
        """Return the tokens of fixed text."""
        try:
            return tuple(self.tokenizer.encode(text.encode()))
        except TokenizerError as error:
            raise NoFillingError(
                f"The fixed text {text[:40]!r} cannot be tokenised from hole to hole: {error.what}",
                fixed=text,
                where="template",
                cure="Have the hole begin or end elsewhere, so that whole tokens stand between the holes.",
            ) from error


def _check_text(parts: Parts) -> None:
    """Raise OptionError where fixed text holds a model's mask token."""
    for part in parts:
        for spelling in _MASK_TEXTS:
            if isinstance(part, FixedText) and spelling in part.text:
                raise OptionError(
                    f"The template's text holds {spelling!r}, a model's mask token.",
                    where="template",
                    cure="Write a hole, {name}, where something is to come; take it out elsewhere.",
                )


def model_of(model: Any, tokenizer: Any) -> tuple[MaskedModel, Tokenizer]:
    """Return the model and its tokenizer. Raises OptionError for a causal one."""
    if isinstance(model, str | Path):
        # optional: torch
        from structgen.decoding.infilling.presets import load_masked_model

        loaded, words = load_masked_model(model)
        return loaded, words if tokenizer is None else tokenizer_of(tokenizer)
    members = [name for name in vars(MaskedModel) if not name.startswith("_")]
    lacking = [name for name in members if not hasattr(model, name)]
    if lacking:
        is_causal = hasattr(model, "prefill") or hasattr(model, "get_output_embeddings")
        what = "is a causal model: it fills no masks" if is_causal else "is no masked-diffusion model"
        raise OptionError(
            f"A {type(model).__name__} {what} (it has no {', '.join(lacking)}).",
            where="model",
            cure="Give structgen/infill, a folder of a known family, or an object with the members of "
            "MaskedModel; a causal model writes through sg.Engine.",
        )
    if tokenizer is None:
        raise OptionError(
            "A model of your own needs its tokenizer.",
            where="tokenizer",
            cure="Pass AutoTokenizer.from_pretrained(...), or an sg.Tokenizer.",
        )
    given: MaskedModel = model
    return given, tokenizer_of(tokenizer)


def _prompt_tokens(
    prompts: ModelPrompts, asked: ModelQuestion, tokenizer: Tokenizer, grammar: Any
) -> Sequence[int]:
    """Return the tokens of a prompt in the form that the model needs."""
    wanted = None if grammar is None else plain_grammar(grammar_of(grammar, "grammar")[0])
    if wanted is not None and wanted.outline is not None:
        outlines = shorter_outlines(wanted.outline, descriptions=not prompts.is_embedded)
        told = next(outlines)[0] if prompts.needs_outline(asked) else ""
        asked = replace(asked, is_json=True, outline=told)
    return prompts.tokens(asked, tokenizer)


def _prompt_ids(prompt: str | Sequence[int], model: MaskedModel) -> Tokens:
    ids = tuple(checks.tokens("prompt", prompt)) if len(prompt) else ()
    for at, token in enumerate(ids):
        if token >= model.vocab_size or token == model.mask_id:
            what = "is the mask" if token == model.mask_id else "is outside the model's vocabulary"
            raise OptionError(
                f"Token {token} {what}.", where=f"prompt[{at}]", cure="Only the template has holes."
            )
    return ids


def _schema_of(grammar: Any) -> Any:
    """Return the JSON Schema whose fields `given` has."""
    if isinstance(grammar, Mapping):
        return grammar
    if isinstance(grammar, type):
        # optional: pydantic
        from structgen.asking.python_types.type_hints import read_type

        return read_type(grammar).schema
    raise OptionError(
        "given= needs the schema whose fields are given.",
        where="grammar",
        cure="Give grammar= as a JSON Schema in a dict, or as a type.",
    )
