"""One example: a schema, sentences, and the document that fills the schema from them.

What is told comes from a scene (scenes.txt) and from traits that any sentence may add; the schema asks for
some of it, under one of many keys, in an order of its own, nested or flat. A field whose value the text
does not tell is left out where it is optional, and null where it may be null.
"""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass, field
from typing import Any

from data.everyday import Everyday
from data.frames import Frames
from data.notes import Notes
from data.phrases import Phrases
from data.plain import Plain
from data.scenes import Scene, Slot, expand, read_scenes
from data.texts import texts
from data.traits import Traits
from data.values import SCHEMAS, Fact, Value, Values, spoken
from data.words import Words

LISTS = texts("sentences")

_TYPES = {"integer": "number", "date": "string", "time": "string", "lines": "strings"}
"""Types that a field of another type may hold too."""


@dataclass(frozen=True)
class Shares:
    """How often each kind of sentence comes, and each form of a schema."""

    everyday: float = 0.0
    """Of all: roles, addresses, times, to-do lists and opinions (everyday.py)."""
    plain: float = 0.0
    """Of all: those of plain English words (plain.py), which the examination does not have."""
    scenes: float = 0.55
    """Of the others: those of scenes.txt."""
    sources: tuple[int, int, int] = (4, 4, 4)
    """Of the rest: phrases, frames and notes, against each other."""
    frames: tuple[int, ...] = (6, 4, 4, 3, 3, 6)
    """Of the frames: two people, rows of people, counts, kinds, cards, lists."""
    alone: float = 0.0
    """Of the texts with one value of its type: it is all that is asked for, as a member `value`, as typed
    functions ask for a bare type; a dict as the document itself."""
    unions: float = 0.0
    """Of the documents: their schema is one of several, none of which has a tag."""
    loose: float = 0.0
    """Of the fields that hold text or whole numbers: they may hold the other too."""


USUAL = Shares()
TRAINING = Shares(
    everyday=0.33, plain=0.12, scenes=0.6, sources=(4, 5, 3), frames=(8, 3, 6, 5, 2, 3),
    alone=0.1, unions=0.05, loose=0.03,
)  # fmt: skip
"""More of what was learned least: scenes, who of two did it, numbers and kinds of several things."""


@dataclass
class Example:
    """A schema, a text, the document, and for each path of the document (keys joined by `.`) its kind."""

    schema: dict[str, Any]
    text: str
    answer: dict[str, Any]
    kinds: dict[str, str] = field(default_factory=dict)


def words_of(key: str) -> str:
    """Return a key as it is read: `unit_price` and `unitPrice` are `unit price`."""
    return re.sub(r"([a-z])([A-Z])", r"\1 \2", key).replace("_", " ").replace("-", " ").lower()


def styled(key: str, chance: random.Random) -> str:
    """Return a key of words joined by `_`, now and then in camel case, with blanks, or in capitals."""
    draw = chance.random()
    parts = key.split("_")
    if draw < 0.72:
        return key
    if draw < 0.86:
        return parts[0] + "".join(part.capitalize() for part in parts[1:])
    if draw < 0.9:
        return " ".join(part.capitalize() for part in parts)
    if draw < 0.93:
        return "-".join(parts)
    if draw < 0.97:
        return "".join(part.capitalize() for part in parts)
    return key.upper()


class Examples:
    """An endless source of examples from one seed; `unseen` takes made-up words that training never has.

    `shares` says how often each kind of sentence comes; the examination is drawn with the usual ones.
    """

    def __init__(self, seed: int, *, unseen: bool = False, shares: Shares = USUAL) -> None:
        self.chance = random.Random(seed)
        self.shares = shares
        self.words = Words(self.chance, unseen=unseen)
        self.values = Values(self.words)
        self.traits = Traits(self.words, self.values)
        self.phrases = Phrases(self.words, self.values)
        self.frames = Frames(self.words, self.values, self.phrases, shares.frames)
        self.notes = Notes(self.words, self.values, self.phrases)
        self.plain = Plain(self.words, self.values)
        self.everyday = Everyday(self.words, self.values)
        self.scenes = read_scenes()

    def draw(self) -> Example:
        """Return the next example."""
        example = self._drawn_example()
        if self.shares.unions and self.chance.random() < self.shares.unions:
            example = self._united(example)
        return example

    def _united(self, example: Example) -> Example:
        """Return the example with a schema that allows other documents too, which its text does not tell."""
        chance = self.chance
        schemas = [example.schema]
        for _ in range(chance.choice((1, 1, 1, 2))):
            other = self._drawn_example().schema
            if all(_differ(other, known) for known in schemas):
                schemas.append(other)
        chance.shuffle(schemas)
        if chance.random() < 0.6:
            return Example({"anyOf": schemas}, example.text, example.answer, example.kinds)
        field = ("value", {"anyOf": schemas}, example.answer, dict.fromkeys(example.kinds, "nested"), True)
        schema, answer, kinds = self._assembled([field])
        return Example(schema, example.text, answer, kinds)

    def _drawn_example(self) -> Example:
        chance = self.chance
        scene = chance.choice(self.scenes) if chance.random() < self.shares.scenes else Scene("phrases")
        facts, text = self._told(scene)
        while not facts:
            facts, text = self._told(scene)
        if self.shares.alone and chance.random() < self.shares.alone:
            alone = [fact for fact in facts.values() if self._is_alone(fact, facts)]
            if alone:
                return self._of_one(chance.choice(alone), text)
        wanted = self._wanted(facts)
        fields = self._fields(wanted, facts, scene)
        if chance.random() < {0: 0.0, 1: 0.0, 2: 0.05}.get(len(fields), 0.2):
            fields = self._grouped(fields)
        schema, answer, kinds = self._assembled(fields)
        return Example(schema, text, answer, kinds)

    # What is told.

    def _told(self, scene: Scene) -> tuple[dict[str, Fact], str]:
        chance = self.chance
        facts: dict[str, Fact] = {}
        sentences: list[str] = []
        if self.shares.everyday and chance.random() < self.shares.everyday:
            facts, text = self.everyday.draw()
            return facts, text if chance.random() < 0.85 else f"{chance.choice(LISTS.asides)} {text}"
        if self.shares.plain and chance.random() < self.shares.plain:
            facts, text = self.plain.draw()
            return facts, text if chance.random() < 0.8 else f"{chance.choice(LISTS.asides)} {text}"
        if not scene.mains:
            sources = (self.phrases, self.frames, self.notes)
            facts, text = chance.choices(sources, self.shares.sources)[0].draw()
            sentences.append(text)
        elif chance.random() < 0.1:
            for name in chance.sample(sorted(scene.slots), min(len(scene.slots), chance.randint(1, 5))):
                self._state(scene, name, facts, sentences)
        else:
            for template in chance.sample(scene.mains, chance.choices((1, 2), (9, 1))[0]):
                sentences.append(self._begun(scene, template, facts))
        for _ in range(chance.choices((0, 1, 2, 3), (4, 5, 2, 1))[0]):
            self._add(scene, facts, sentences)
        ends = (0, len(sentences))
        if chance.random() < 0.25:
            sentences.insert(chance.choice(ends), chance.choice(LISTS.asides))
        if chance.random() < 0.08:
            sentences.insert(chance.choice(ends), self._peripheral())
        if chance.random() < 0.06 and len(sentences) > 1:
            chance.shuffle(sentences)
        return facts, chance.choices((" ", "\n"), (12, 1))[0].join(sentences)

    def _add(self, scene: Scene, facts: dict[str, Fact], sentences: list[str]) -> None:
        """Say something more: of the scene, with the words of a key, or a trait."""
        chance = self.chance
        draw = chance.random()
        if draw < 0.5 and scene.extras:
            template = chance.choice(scene.extras)
            named = [slot for slot, is_slot in expand(template, chance) if is_slot]
            if all(slot not in facts or scene.slots[slot].kind in LISTS.subjects for slot in named):
                sentences.append(self._sentence(scene, template, facts))
        elif draw < 0.62:
            fresh = [name for name in scene.slots if name not in facts]
            if fresh:
                self._state(scene, chance.choice(fresh), facts, sentences)
        else:
            self._trait(scene, facts, sentences)

    def _peripheral(self) -> str:
        """Return a sentence with names and numbers that no field asks for."""
        words = self.words
        return self.chance.choice(LISTS.peripheral).format(
            name=words.person(), name2=words.person(), city=words.city(), n=self.chance.randint(2, 40)
        )

    def _fact(self, scene: Scene, name: str, facts: dict[str, Fact]) -> Fact:
        """Return what the scene says in a slot, drawn when it is first said."""
        if name not in facts:
            facts[name] = self._drawn(scene.slots[name])
        return facts[name]

    def _drawn(self, slot: Slot) -> Fact:
        if slot.kind == "yes":
            truth = self.chance.random() < 0.5
            said = self.chance.choice(slot.yes if truth else slot.no)
            return Value(said, truth, "boolean", "boolean").fact(slot.keys)
        if slot.kind == "enum":
            return self.traits.enum_fact(slot.keys, slot.values)
        return self.values.draw(slot.kind).fact(slot.keys)

    def _sentence(self, scene: Scene, template: str, facts: dict[str, Fact]) -> str:
        chance = self.chance
        noise = 0.06 if chance.random() < 0.35 else 0.0
        text = ""
        for piece, is_slot in expand(template, chance):
            if not is_slot:
                text += self.words.noisy(piece, noise) if noise else piece
                continue
            fresh = piece not in facts
            fact = self._fact(scene, piece, facts)
            said = fact.value.said
            if not text and said[0].islower() and fresh and chance.random() < 0.5:
                said = said[0].upper() + said[1:]
                copied = fact.value.type == "string" and "enum" not in fact.schema
                if copied and fact.value.value == fact.value.said:
                    fact.value = spoken(said, fact.value.kind)
            if re.search(r"(^|\s)[aA] $", text) and said[0] in "aeiou" and chance.random() < 0.9:
                text = text[:-1] + "n "
            text += said
        if text[0].islower() and chance.random() < 0.5:
            first = next(iter(expand(template, random.Random(0))), ("", True))
            if not first[1]:
                text = text[0].upper() + text[1:]
        return text[:-1] if text.endswith(".") and chance.random() < 0.04 else text

    def _begun(self, scene: Scene, template: str, facts: dict[str, Fact]) -> str:
        """Return a main sentence, perhaps with words before it."""
        text = self._sentence(scene, template, facts)
        if text.endswith(".") and self.chance.random() < 0.12:
            text = f"{text[:-1]} {self.phrases.tail()}."
        if self.chance.random() > 0.25:
            return text
        if template[0] != "{" and text[1:2].islower():
            copied = [fact.value.said for fact in facts.values() if fact.value.value == fact.value.said]
            if not text.startswith(tuple(copied)):
                text = text[0].lower() + text[1:]
        return f"{self.phrases.start()} {text}"

    def _state(self, scene: Scene, name: str, facts: dict[str, Fact], sentences: list[str]) -> None:
        """Say a slot with the very words of its key."""
        fact = self._fact(scene, name, facts)
        key = words_of(self.chance.choice(fact.keys))
        said = fact.value.said
        if fact.schema["type"] == "boolean":
            said = self.chance.choice(("yes", "true") if fact.value.value else ("no", "false"))
            sentences.append(f"{key.capitalize()}: {said}.")
            return
        said = said.removesuffix(" of")
        template = self.chance.choice(LISTS.statements)
        sentences.append(template.format(key=key, Key=key.capitalize(), value=said))

    def _trait(self, scene: Scene, facts: dict[str, Fact], sentences: list[str]) -> None:
        said, told = self.traits.draw()
        names = [f"trait {fact.keys[0]}" for fact in told]
        # No key that something else could be meant by.
        taken = {key for fact in facts.values() for key in fact.keys}
        taken |= {key for slot in scene.slots.values() for key in slot.keys}
        if not any(key in taken for fact in told for key in fact.keys):
            facts.update(zip(names, told, strict=True))
            sentences.append(said)

    # What is asked for.

    @staticmethod
    def _is_alone(fact: Fact, facts: dict[str, Fact]) -> bool:
        """Tell whether the text has no other value that the fact's schema could mean."""
        kinds = ["enum" if "enum" in one.schema else one.value.type for one in facts.values()]
        kind = "enum" if "enum" in fact.schema else fact.value.type
        numbers = kinds.count("integer") + kinds.count("number")
        alike = numbers if kind in ("integer", "number") else kinds.count(kind)
        return len(facts) == 1 or (kind in LISTS.alone and alike == 1)

    def _of_one(self, fact: Fact, text: str) -> Example:
        """Return an example that asks for one value and has no word for it."""
        schema, value = self._retyped(fact), fact.value.value
        if fact.value.type == "tally":
            assert isinstance(value, dict)
            return Example(schema, text, value, dict.fromkeys(value, "list"))
        if "enum" not in schema and self.chance.random() < 0.1:
            schema = {"anyOf": [schema, {"type": "null"}]}
        field = ("value", schema, self._as(fact.schema | schema, value), fact.value.kind, True)
        schema, answer, kinds = self._assembled([field])
        return Example(schema, text, answer, kinds)

    def _wanted(self, facts: dict[str, Fact]) -> list[str]:
        chance = self.chance
        names = list(facts)
        if chance.random() < 0.5:
            chance.shuffle(names)
        if chance.random() < 0.45:
            return names[:7]
        return names[: chance.randint(1, min(6, len(names)))]

    def _fields(
        self, wanted: list[str], facts: dict[str, Fact], scene: Scene
    ) -> list[tuple[str, dict[str, Any], Any, Any, bool]]:
        """Return (key, schema, value, kind, required) of each field; a value of `...` is left out."""
        chance = self.chance
        fields: list[tuple[str, dict[str, Any], Any, Any, bool]] = []
        taken: set[str] = set()
        types = [_TYPES.get(fact.value.type, fact.value.type) for fact in facts.values()]
        untold = [name for name in scene.slots if name not in facts]
        absent = chance.sample(untold, min(len(untold), chance.choices((0, 1, 2), (7, 2, 1))[0]))
        for name in wanted + absent:
            fact = facts.get(name) or self._drawn(scene.slots[name])
            key = chance.choice(fact.keys[:3] if chance.random() < 0.5 else fact.keys)
            alike = types.count(_TYPES.get(fact.value.type, fact.value.type))
            if alike == 1 and name in facts and chance.random() < 0.06:
                key = self.words.made_up()
            key = styled(key, chance)
            if key in taken:
                continue
            taken.add(key)
            schema, value, required = self._retyped(fact), fact.value.value, True
            value = self._as(schema, value)
            draw = chance.random()
            if name not in facts:
                if draw < 0.5 and "enum" not in schema:
                    schema, value = {**schema, "type": [schema["type"], "null"]}, None
                else:
                    value, required = ..., False
            elif draw < 0.1:
                required = False
            elif draw < 0.18 and "enum" not in schema:
                schema = {**schema, "type": [schema["type"], "null"]}
            # Of an object each field has a kind of its own.
            is_object = isinstance(value, dict) and fact.value.type != "tally"
            kind = dict.fromkeys(value, "nested") if is_object else fact.value.kind
            plain = schema in (SCHEMAS["string"], SCHEMAS["integer"])
            if self.shares.loose and plain and chance.random() < self.shares.loose:
                schema = {"anyOf": chance.sample((SCHEMAS["string"], SCHEMAS["integer"]), 2)}
            fields.append((key, schema, value, kind, required))
        if absent and chance.random() < 0.5:
            chance.shuffle(fields)
        return fields

    def _retyped(self, fact: Fact) -> dict[str, Any]:
        chance, schema, value = self.chance, fact.schema, fact.value.value
        draw = chance.random()
        if schema["type"] == "integer" and draw < 0.08:
            return SCHEMAS["number"]
        if schema["type"] == "number" and isinstance(value, int) and draw < 0.1:
            return SCHEMAS["integer"]
        if "enum" in schema and draw < 0.15 and value == fact.value.said:
            return SCHEMAS["string"]
        if schema["type"] == "boolean" and draw < 0.06:
            return {"type": "string", "enum": chance.choice((["yes", "no"], ["no", "yes"]))}
        if fact.value.kind == "item" and draw < 0.04:
            others = [self.words.item() for _ in range(chance.randint(1, 4))] + [str(value)]
            chance.shuffle(others)
            return {"type": "string", "enum": list(dict.fromkeys(others))}
        return schema

    @staticmethod
    def _as(schema: dict[str, Any], value: Any) -> Any:
        if isinstance(value, bool) and schema["type"] == "string":
            return "yes" if value else "no"
        return value

    def _grouped(self, fields: list[Any]) -> list[Any]:
        """Put some neighbours into an object of their own."""
        chance = self.chance
        names = [name for name in LISTS.groups if name not in {f[0] for f in fields}]
        size = chance.randint(2, max(2, len(fields) - 1))
        start = chance.randint(0, len(fields) - size)
        inner = fields[start : start + size]
        schema, answer, kinds = self._assembled(inner)
        group = (styled(chance.choice(names), chance), schema, answer, kinds, True)
        return [*fields[:start], group, *fields[start + size :]]

    @staticmethod
    def _assembled(fields: list[Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, str]]:
        answer: dict[str, Any] = {}
        kinds: dict[str, str] = {}
        for key, _, value, kind, _ in fields:
            if value is ...:
                continue
            answer[key] = value
            if isinstance(kind, dict):
                kinds |= {f"{key}.{path}": "nested" for path in kind}
            else:
                kinds[key] = kind
        schema = {
            "type": "object",
            "properties": {key: schema for key, schema, *_ in fields},
            "required": [key for key, *_, required in fields if required],
            "additionalProperties": False,
        }
        return schema, answer, kinds


def _differ(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Tell whether each of two schemas of objects requires a key that the other does not know."""
    first, second = (set(schema.get("properties", ())) for schema in (one, other))
    return bool(set(one.get("required", ())) - second) and bool(set(other.get("required", ())) - first)


def written(answer: object) -> str:
    """Return the text of a document that the models learn: `json.dumps(answer, ensure_ascii=False)`."""
    return json.dumps(answer, ensure_ascii=False)
