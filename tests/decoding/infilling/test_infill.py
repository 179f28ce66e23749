"""`infill`: whatever the scheduler, the text is valid; seeds, deadlines, shifts, lengths, given fields."""

from __future__ import annotations

import json
import math
import re
import warnings

import jsonschema
import numpy as np
import pytest
import toy_models
from for_each import for_each
from object_schemas import BOOLEAN, object_of
from toy_models import Telling, Toy
from toy_models import byte_tokenizer as tokenizer
from toy_models import filled as fill

import structgen as sg
from structgen.decoding.infilling.canvas import Canvas
from structgen.decoding.infilling.denoising import DenoisingStep
from structgen.decoding.infilling.lattice import NULL
from structgen.decoding.infilling.schedulers import NAMES, CanvasStep

FLAT = object_of(id={"type": "integer", "minimum": 0, "maximum": 120}, tag={"type": "string", "maxLength": 4})
SCHEMA = object_of(**FLAT["properties"], on=BOOLEAN, inner=object_of(x={"enum": ["ab", "\u20ac", None]}))


def toy(**options: object) -> Toy:
    return Toy(tokenizer(), **options)


@for_each("scheduler", NAMES)
def test_every_scheduler_ends_within_the_slots_with_a_document(scheduler: str) -> None:
    found = fill(grammar=FLAT, slots=32, scheduler=scheduler, temperature=1.0)
    jsonschema.validate(json.loads(found.text), FLAT)
    assert found.value == json.loads(found.text)
    assert 1 <= found.usage.steps <= 32
    assert found.finish_reason == "done" and found.exactness == "exact-fsa"


@pytest.mark.parametrize("shift", [False, True])
def test_position_i_predicts_token_i(shift: bool) -> None:
    told = list(b"qwertyui")
    model = Telling(tokenizer(), len(b"prompt"), told, shift=shift)
    found = fill("{word: /[a-z]*/, 8}", model, prompt="prompt", length="exact")
    assert found.text == "qwertyui"


@pytest.mark.parametrize(
    "how",
    [{}, {"sure": 0.3}, {"scheduler": "left-to-right"}],
    ids=str,
)
def test_the_same_seed_gives_the_same_canvas_alone_and_among_others(how: dict[str, object]) -> None:
    options = {"tokenizer": tokenizer(), "prompt": "p", "temperature": 1.0, "seed": 5, "slots": 12, **how}
    templates = ["{a: /[a-z]{1,9}/}", "<{b: str}>", "{c: int}-{d: /[0-9]{2,4}/}"]
    model = toy()
    together = [sg.infill(model, template, **options) for template in templates]
    for template, one in zip(templates, together, strict=True):
        alone = sg.infill(toy(), template, **options)
        assert (alone.tokens, alone.steps[-1].canvas) == (one.tokens, one.steps[-1].canvas)
    assert sg.infill(toy(), templates[0], **{**options, "seed": 6}).text != together[0].text


@pytest.mark.parametrize("scheduler", NAMES)
def test_a_temperature_near_zero_gives_the_canvas_of_zero_step_by_step(scheduler: str) -> None:
    options = {"slots": 14, "scheduler": scheduler, "grammar": "[a-z ]*|{[a-z]+}"}
    zero, near = fill(**options), fill(temperature=1e-5, **options)
    assert [one.canvas for one in near.steps] == [one.canvas for one in zero.steps]
    told, wanted = ([c.probability for s in one.steps for c in s.committed] for one in (near, zero))
    assert told == pytest.approx(wanted)


def test_a_deadline_leaves_a_whole_text() -> None:
    found = fill(grammar=SCHEMA, slots=60, timeout=0.0)
    jsonschema.validate(json.loads(found.text), SCHEMA)
    assert found.finish_reason == "deadline" and found.usage.steps == 0


def test_what_every_filling_has_in_common_is_written_before_the_model_is_asked() -> None:
    model = toy()
    found = fill("{a: /wxyz?/, 4}", model, length="exact")
    assert found.text == "wxyz" and model.calls == 0 and found.usage.steps == 0
    assert [one.token for one in found.steps[0].committed] == list(b"wxyz")


def test_a_tie_has_the_product_law() -> None:
    class Fixed(Toy):
        def forward(self, ids: np.ndarray) -> np.ndarray:
            logits = np.zeros((len(ids), self.vocab_size), np.float32)
            first, second = np.flatnonzero(ids == self.mask_id)
            logits[first, [97, 98]] = 2.0, 0.0
            logits[second, [97, 98]] = 0.0, 1.0
            return logits

    chances = []

    def listen(step: DenoisingStep, canvas: Canvas) -> None:
        chances.extend(one.probability for one in step.committed)

    found = fill("{x: /[ab]/, 1}-{x}", Fixed(tokenizer()), length="exact", listen=listen)
    assert found.text == "a-a"
    assert chances == pytest.approx([math.exp(2) / (math.exp(2) + math.exp(1))], rel=1e-6)


@pytest.mark.parametrize("length", ["at most", "exact"])
def test_lengths_of_a_hole(length: str) -> None:
    found = fill("{a: /(abc)*/, 9}|", length=length)
    assert re.fullmatch(r"(abc)*\|", found.text)
    if length == "exact":
        assert len(found.tokens) == 10
    masked = found.steps[0].canvas
    assert len(masked) <= 10


@pytest.mark.parametrize(
    ("template", "options", "full"),
    [
        ("{a: /[a-z]*/, 3}", {}, {"a": 3}),
        ("{a: /[a-z]*/, 7}", {}, {}),
        # All texts have three tokens, or the caller wants all slots filled.
        ("{a: /[a-z]{3}/, 3}", {}, {}),
        ("{a: /[a-z]*/, 3}", {"length": "exact"}, {}),
        ("{a}", {"grammar": "[a-z]*", "slots": 3}, {"a": 3}),
        ("{a: /[a-z]*/}-{b: /[a-z]*/}", {"slots": {"b": 4, "a": 20}}, {"b": 4}),
    ],
)
def test_a_hole_without_an_empty_slot_is_told_if_more_could_be_written(
    template: str, options: dict[str, object], full: dict[str, int]
) -> None:
    end = tokenizer().eos_token_ids[0]
    model = Telling(tokenizer(), 1, [*b"qwerty", *[end] * 15, *b"zuiopasdf", *[end] * 40], shift=False)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = fill(template, model, **options)
    assert found.full == tuple(full)
    assert [one.category for one in caught] == [sg.errors.FullHoleWarning] * len(full)
    assert [one.message.hole for one in caught] == list(full)
    assert all(f"all its {full[one.message.hole]} slots" in str(one.message) for one in caught)
    assert all(one.filename == toy_models.__file__ for one in caught)


@pytest.mark.parametrize(("context", "slots"), [(4096, 64), (40, 18), (5, 1)])
def test_holes_without_a_number_of_slots_share_what_the_context_leaves(context: int, slots: int) -> None:
    model = toy()
    model.context = context
    found = fill("{a: /x*/}-{b: /x*/}", model)
    assert [one.slots - one.suffix_slots for one in found.canvas.pieces if one.name] == [slots, slots]


class FromTheRight:
    """One slot a step, the last one first."""

    def fill(self, step: CanvasStep) -> None:
        place = step.masked()[-1]
        token = int(step.law(place).argmax())
        step.write(place, token if token < tokenizer().vocab_size else NULL, 1.0)


def test_nulls_stand_only_at_a_holes_end_and_are_not_read_inside() -> None:
    seen: list[np.ndarray] = []

    class Seeing(Toy):
        def forward(self, ids: np.ndarray) -> np.ndarray:
            seen.append(ids.copy())
            return super().forward(ids)

    found = fill("({a: /[a-z]{2}/, 6})", Seeing(tokenizer()), scheduler=FromTheRight())
    canvas = list(found.steps[-1].canvas)
    assert re.fullmatch(r"\([a-z]{2}\)", found.text)
    inside = canvas[1:-1]
    first = inside.index(-2)
    assert all(token == -2 for token in inside[first:]) and all(token >= 0 for token in inside[:first])
    ends = set(tokenizer().eos_token_ids)
    assert all(not ends & set(ids[:-1].tolist()) for ids in seen) and all(ids[-1] in ends for ids in seen)


def test_given_fields_are_kept_and_the_others_filled() -> None:
    given = {"tag": "ab", "inner": {"x": None}}
    found = fill(grammar=SCHEMA, given=given, temperature=1.0)
    jsonschema.validate(found.value, SCHEMA)
    assert found.value["tag"] == "ab" and found.value["inner"] == {"x": None}
    assert set(found.values) == {"id", "on"} and found.values["id"] == found.value["id"]
    nested = fill(grammar=SCHEMA, given={"inner": {}, "id": 3, "on": True, "tag": ""})
    assert set(nested.values) == {"inner.x"} and nested.values["inner.x"] in ("ab", "\u20ac", None)


REFUSED = [
    ({"template": "{a: str}<|mask|>"}, sg.errors.OptionError, "mask token"),
    ({"template": "{a: int, 0}"}, sg.errors.OptionError, "no length"),
    ({"template": "{a: int}", "slots": {"a": 0}}, sg.errors.OptionError, "it cannot hold a text"),
    ({"template": "{a: int}", "slots": 5000}, sg.errors.OptionError, "context"),
    ({"template": "{a}"}, sg.errors.OptionError, "no type"),
    ({"template": "{a: text}"}, sg.errors.OptionError, "has the unknown type 'text'"),
    ({"template": "{a: int, many}"}, sg.errors.OptionError, "is not a hole"),
    ({"template": "nothing"}, sg.errors.OptionError, "no hole"),
    ({}, sg.errors.OptionError, "A template or a grammar"),
    ({"template": "{a: int}{a: str}"}, sg.errors.OptionError, "more than one type"),
    ({"template": "{a: int, 3}{a: int, 4}"}, sg.errors.OptionError, "3 and 4 slots"),
    ({"template": "{a}{a}", "grammar": "x*"}, sg.errors.OptionError, "is used twice"),
    ({"template": "{a: int}", "grammar": "x*"}, sg.errors.NoFillingError, "'a' and is of the hole's type"),
    ({"template": "xx{a: int, 3}y", "grammar": "x*1{5}y"}, sg.errors.NoFillingError, "3 slots and needs 5"),
    ({"template": "x{a: /[0-9]{9}/, 2}", "grammar": ".*"}, sg.errors.NoFillingError, "2 slots and needs 5"),
    (
        {"grammar": SCHEMA, "given": {"id": 1}, "holes": {"on": "x"}},
        sg.errors.OptionError,
        "the schema determines",
    ),
    ({"template": "{a: int}", "depth": -1}, sg.errors.OptionError, "depth"),
    ({"template": "{a: int}", "depth": 2.5}, sg.errors.OptionError, "depth"),
    ({"template": "{a: /x+/}", "depth": 2}, sg.errors.OptionError, "Only brackets .* Remove it"),
    ({"template": "{a: int}", "holes": {"b": "x"}}, sg.errors.OptionError, "no hole 'b'"),
    ({"template": "{a}", "holes": {"a": 3}}, sg.errors.OptionError, "is not a valid target"),
    ({"grammar": SCHEMA, "slots": 4}, sg.errors.NoFillingError, "'text' has 4 slots and needs"),
    ({"template": "{a: /[a-z]{9}[0-9]{9}/, 3}"}, sg.errors.NoFillingError, "3 slots and needs 8"),
    ({"template": "ab{a}", "grammar": "x[a-z]*"}, sg.errors.NoFillingError, "fixed text 'ab' prevents"),
    ({"template": "x{a}y", "grammar": "x[a-z]*z"}, sg.errors.NoFillingError, "ends with 'y'"),
    ({"template": "x{a}", "grammar": "x"}, sg.errors.OptionError, None),
    ({"grammar": SCHEMA, "given": {"id": "no"}}, sg.errors.NoFillingError, "the schema requires integer"),
    ({"grammar": SCHEMA, "given": {"other": 1}}, sg.errors.OptionError, "not a property"),
    ({"grammar": "x*", "given": {"other": 1}}, sg.errors.OptionError, "needs the schema"),
    ({"grammar": SCHEMA, "scheduler": "quick"}, sg.errors.OptionError, "scheduler 'quick' is not known"),
    ({"grammar": SCHEMA, "scheduler": "threshold"}, sg.errors.OptionError, "files in bench/methods"),
    ({"grammar": SCHEMA, "scheduler": object()}, sg.errors.OptionError, r"has no fill\(step\)"),
    ({"grammar": SCHEMA, "tokens_per_step": 1}, sg.errors.OptionError, 'Write scheduler="left-to-right"'),
    ({"grammar": SCHEMA, "sure": 1.5}, sg.errors.OptionError, "sure"),
    ({"grammar": SCHEMA, "sure": 0.5, "scheduler": "left-to-right"}, sg.errors.OptionError, "sure: Only"),
    (
        {"grammar": SCHEMA, "length": "log z"},
        sg.errors.OptionError,
        "length must be one of at most, exact, got",
    ),
    ({"grammar": SCHEMA, "seed": -1}, sg.errors.OptionError, "seed"),
    ({"grammar": SCHEMA, "temperature": math.nan}, sg.errors.OptionError, "temperature"),
    (
        {"grammar": SCHEMA, "given": ["id"]},
        sg.errors.OptionError,
        "given must be Mapping, got list. Pass a dict",
    ),
    (
        {"grammar": SCHEMA, "given": {"id": 7, "tag": "", "on": True, "inner": {"x": None}}},
        sg.errors.OptionError,
        "All required fields are given",
    ),
    (
        {"template": ("{a: int}",)},
        sg.errors.OptionError,
        "template must be str, got tuple. Pass a text; fill many with",
    ),
    ({"template": [7]}, sg.errors.OptionError, "template must be str, got list"),
    ({"template": "{a}", "holes": "a"}, sg.errors.OptionError, "holes must be Mapping, got str"),
    (
        {"template": "{a: int}", "prompt": None},
        sg.errors.OptionError,
        "prompt must be str or Sequence, got NoneType",
    ),
    (
        {"template": "{a: int}", "slots": 2.5},
        sg.errors.OptionError,
        "slots must be int or Mapping, got float",
    ),
    (
        {"template": "{a: int}", "slots": 10**12},
        sg.errors.OptionError,
        "The prompt and the canvas have 1,000,000,000,001 tokens, and the model",
    ),
    (
        {"template": "{a: int}", "listen": 3},
        sg.errors.OptionError,
        "listen must be Callable, got int. Pass a function",
    ),
]


@for_each(("options", "kind", "said"), REFUSED)
def test_bad_input_is_refused_before_the_model_is_asked(
    options: dict[str, object], kind: type[Exception], said: str | None
) -> None:
    model = toy()
    if said is None:
        assert fill(model=model, **options).text == "x"  # an empty hole is a filling
        return
    with pytest.raises(kind, match=said):
        fill(model=model, **options)
    assert model.calls == 0


def test_a_prompt_with_a_mask_is_refused() -> None:
    with pytest.raises(sg.errors.OptionError, match="is the mask"):
        fill("{a: int}", prompt=[toy().mask_id])


def test_a_causal_model_is_refused() -> None:
    class Causal:
        vocab_size, context = 300, 100

        def prefill(self) -> None: ...
        def decode(self) -> None: ...

    with pytest.raises(sg.errors.OptionError, match="causal"):
        fill("{a: int}", Causal())


def test_logits_that_are_nan_are_an_error_that_names_the_slot() -> None:
    class Broken(Toy):
        def forward(self, ids: np.ndarray) -> np.ndarray:
            logits = super().forward(ids)
            logits[3, 7] = math.nan
            return logits

    with pytest.raises(sg.StructgenError, match="NaN"):
        fill("{a: str}", Broken(tokenizer()))


def test_logits_of_another_shape_are_an_error() -> None:
    class Wide(Toy):
        def forward(self, ids: np.ndarray) -> np.ndarray:
            return super().forward(ids)[None]

    with pytest.raises(sg.errors.OptionError, match="forward returned"):
        fill("{a: str}", Wide(tokenizer()))


def test_a_lattice_too_large_for_memory_is_refused_before_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    from structgen.decoding.infilling import lattice

    monkeypatch.setattr(lattice, "_MOST_BYTES", 10_000)
    model = toy()
    with pytest.raises(sg.errors.OptionError, match="MiB"):
        fill(model=model, grammar=SCHEMA, slots=60)
    assert model.calls == 0


def test_fixed_text_that_no_tokens_write_is_refused() -> None:
    tokens = list(tokenizer().token_bytes)
    tokens[1] = None
    words = sg.Tokenizer.from_bytes(tokens, tokenizer().eos_token_ids)
    with pytest.raises(sg.errors.NoFillingError, match="cannot be tokenised"):
        fill("<\x01{a: /[ab]/, 1}", tokenizer=words)


def test_doubled_braces_are_text() -> None:
    assert re.fullmatch(r'\{a\} \{"b": -?\d+\}', fill('{{a}} {"b": {n: /[0-9]/, 1}}').text)
    assert re.fullmatch(r"\{x, y\}\{k: v\}[01]", fill("{{x, y}}{{k: v}}{n: /[01]/, 1}").text)
