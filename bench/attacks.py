"""Random schemas of rare keywords: walked as others are, and tried with random documents.

Two validators judge, jsonschema and jsonschema-rs, where they agree; whether the policies let a text spell
its value so is judged by tests/oracles/policy_oracle.py. A document must be taken, token by token, exactly
where all of them say yes.
"""

from __future__ import annotations

import json
import random
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench_suite import replay
from judging import LATE, Outcome
from violators import parts
from walks import CRASH, DOUBTFUL, INVALID, KINDS, LOST, Subject, Vocabulary, Walker, walked

import structgen as sg

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "schema"))

from policy_oracle import COMPACT, Answer, Options, judge
from schema_strategies import RARE, rare_schema, rare_value, speaks_of_anchors
from two_judges import TwoJudges, readable

YES, NO, UNSURE = (answer.value for answer in (Answer.YES, Answer.NO, Answer.UNSURE))
DOCUMENT = "document"
"""The kind of what is not walked, but given."""
DOCUMENTS = 24
"""Random ones of a schema; as many come from its own constants, and from changed walks."""
ESCAPES = tuple(Options("any", "any", "any", escapes) for escapes in ("canonical", "utf8", "ascii", "any"))
NARROW = (
    Options(),
    COMPACT,
    Options("oneline", "any", "plain", "ascii"),
    Options("compact", "any", "any", "utf8"),
)


def random_subjects(seed: int, count: int) -> Iterator[Subject]:
    """Yield the first schemas of a seed."""
    return (subject(seed, number) for number in range(count))


def subject(seed: int, number: int) -> Subject:
    """Return the schema of a number, the same for the same seed."""
    chance = random.Random(f"{seed} {number}")
    schema = rare_schema(chance)
    options = chance.choice(ESCAPES if chance.random() < 0.7 else NARROW)
    return subject_of(f"random-{seed}-{number}", schema, options)


def subject_of(name: str, schema: Any, options: Options = ESCAPES[-1]) -> Subject:
    """Return a schema as a subject."""
    return Subject(name, json.dumps(schema), options.arguments(), attacked=True)


def attack(
    subject: Subject,
    outcome: Outcome,
    vocabulary: Vocabulary,
    walks: int,
    tokens: int,
    seconds: float,
    seed: int,
) -> None:
    """Note what comes of the walks and the documents of a random schema.

    Once so many `seconds` of the processor are used nothing more is tried, and the verdict is "slow".
    """
    end = time.process_time() + seconds
    attacked = _Attack(subject, outcome, vocabulary, seed)
    try:
        grammar = sg.json_schema(attacked.schema, strict=None, **subject.options)
        attacked.compiled = sg.compile(grammar, vocabulary.tokenizer, store=False)
    except sg.errors.UnsatisfiableSchema as error:
        # No document may be valid, then.
        outcome.verdict = type(error).__name__
    except sg.StructgenError as error:
        outcome.verdict = type(error).__name__
        return
    except Exception:
        attacked.fault("compile", f"{CRASH}: {traceback.format_exc(limit=-4)}", b"")
        return
    for document in attacked.documents(walks, tokens):
        attacked.given(document)
        if time.process_time() > end:
            outcome.verdict = LATE
            break


class _Attack:
    def __init__(self, subject: Subject, outcome: Outcome, vocabulary: Vocabulary, seed: int) -> None:
        self.subject, self.outcome, self.vocabulary = subject, outcome, vocabulary
        self.schema = json.loads(subject.schema)
        self.options = Options(**subject.options)
        self.chance = random.Random(f"{seed} {subject.name}")
        self.judges = TwoJudges(self.schema)
        self.compiled: sg.CompiledGrammar | None = None
        """None: no document may be valid."""

    def given(self, document: Any) -> None:
        """Try one document."""
        text = spelt(document, self.chance).encode()
        said = self._judged(text)
        if said not in (YES, NO):
            return
        self.outcome.count(DOCUMENT, "walks")
        try:
            taken = self.compiled is not None and self._taken(self.compiled, text)
        except sg.errors.LimitError as error:
            self.fault(DOCUMENT, f"limit: {error}", text)
        except Exception:
            self.fault(DOCUMENT, f"{CRASH}: {traceback.format_exc(limit=-4)}", text)
        else:
            if taken != (said == YES):
                self.fault(DOCUMENT, f"{INVALID}: {self._why(text)}" if taken else LOST, text)

    def _taken(self, compiled: sg.CompiledGrammar, text: bytes) -> bool:
        """Return whether a text is taken, cut into tokens at random, each allowed by the mask before it."""
        tokens: list[int] = []

        def cut() -> Iterator[int]:
            at = 0
            while at < len(text):
                ends = range(at + 1, min(at + self.vocabulary.longest, len(text)) + 1)
                heads = [text[at:end] for end in ends if text[at:end] in self.vocabulary.ids]
                tokens.append(self.vocabulary.ids[self.chance.choice(heads)])
                at += len(self.vocabulary.bytes[tokens[-1]])
                yield tokens[-1]

        taken = replay(compiled, cut(), sg.allocate_mask(1, len(self.vocabulary.bytes)))
        if taken >= len(tokens):
            self.outcome.count(DOCUMENT, "tokens", len(tokens))
        return taken > len(tokens)

    def _judged(self, text: bytes) -> str:
        """Return `YES`, `NO` or `UNSURE` for a text in the language or not, or one of `DOUBTFUL`."""
        try:
            document = readable(text.decode(), exact=True)
        except (ValueError, RecursionError):
            return "unjudged"
        valid = self.judges.valid(document)
        if valid is None:
            return "disputed"
        if not valid:
            return NO
        if speaks_of_anchors(self.schema) and self.options not in ESCAPES[1:]:
            # The oracle of policies does not follow such references.
            return YES if self.options == ESCAPES[0] and text == _plain(document) else UNSURE
        return judge(text, self.schema, self.options).answer.value

    def _why(self, text: bytes) -> str:
        """Return why a text is not in the language."""
        if not self.judges.valid(readable(text.decode(), exact=True)):
            return "it is not valid"
        return str(judge(text, self.schema, self.options))

    def documents(self, walks: int, tokens: int) -> Iterator[Any]:
        """Yield values to try: random ones, those of the schema, walked ones, and these with a change."""
        chance = self.chance
        for _ in range(DOCUMENTS):
            yield rare_value(chance, 3)
        own = [one for one in parts([self.schema]) if not isinstance(one, dict) or "$defs" not in one]
        for one in chance.sample(own, min(DOCUMENTS // 2, len(own))):
            yield one if chance.random() < 0.5 else {chance.choice(RARE.keys): one}
        if self.compiled is None:
            return
        walker = Walker(self.compiled, self.vocabulary, chance)
        for number in range(walks):
            kind = KINDS[number % len(KINDS)]
            text = walked(walker, kind, tokens, self._fault_of, self.outcome, kind, limit="limit")
            with suppress(ValueError):
                document = readable((text or b"").decode())
                yield document
                for _ in range(4):
                    yield changed(document, chance)

    def _fault_of(self, text: bytes) -> str | None:
        """Return what is wrong with a text that was walked, or None."""
        said = self._judged(text)
        if said == NO:
            return f"{INVALID}: {self._why(text)}"
        return said if said in DOUBTFUL else None

    def fault(self, kind: str, why: str, text: bytes) -> None:
        """Note what is not as it should be."""
        label, _, reason = why.partition(": ")
        about = {"options": dict(self.subject.options), "schema": self.subject.schema}
        self.outcome.fault(kind, label, reason, text=text.decode("utf-8", "replace"), **about)


def changed(document: Any, chance: random.Random) -> Any:
    """Return a copy of a value with one change somewhere in it."""
    if isinstance(document, dict) and document and chance.random() < 0.85:
        key = chance.choice(list(document))
        rest = {other: one for other, one in document.items() if other != key}
        match chance.randrange(5):
            case 0:
                return rest
            case 1:
                return {**rest, chance.choice(RARE.keys): document[key]}
            case 2:
                return {**document, chance.choice(RARE.keys): rare_value(chance, 1)}
            case 3:
                return dict(reversed(document.items()))
        return {**document, key: changed(document[key], chance)}
    if isinstance(document, list) and document and chance.random() < 0.85:
        at = chance.randrange(len(document))
        new = chance.choice(
            [[], [document[at]] * 2, [changed(document[at], chance)], [rare_value(chance, 1)]]
        )
        return [*document[:at], *new, *document[at + 1 :]]
    if isinstance(document, str) and chance.random() < 0.5:
        return document[1:] if chance.random() < 0.5 else document + chance.choice(("a", "é", "\ud83d"))
    if isinstance(document, int) and not isinstance(document, bool) and chance.random() < 0.5:
        return document + chance.choice((-1, 1, 0.5))
    return rare_value(chance, 1)


def _plain(document: Any) -> bytes:
    """Return a value as `json.dumps(ensure_ascii=False)` writes it, b"" where a lone surrogate or a Decimal
    is in it."""
    try:
        return json.dumps(document, ensure_ascii=False).encode()
    except (UnicodeEncodeError, TypeError):
        return b""


def spelt(document: Any, chance: random.Random) -> str:
    """Return a JSON text of a value; a lone surrogate is always an escape."""
    style = chance.choice(("utf8", "utf8", "ascii", "mixed"))
    comma, colon = chance.choice(((",", ":"), (", ", ": ")))

    def string(text: str) -> str:
        return '"' + "".join(map(character, text)) + '"'

    def character(one: str) -> str:
        if style == "mixed" and chance.random() < 0.3:
            units = one.encode("utf-16-be", "surrogatepass")
            digits = chance.choice(("{:04x}", "{:04X}"))
            pairs = (int.from_bytes(units[at : at + 2], "big") for at in range(0, len(units), 2))
            return "".join("\\u" + digits.format(unit) for unit in pairs)
        lone = "\ud800" <= one <= "\udfff"
        return json.dumps(one, ensure_ascii=lone or style == "ascii")[1:-1]

    def whole(one: Any) -> str:
        if isinstance(one, dict):
            return "{" + comma.join(string(key) + colon + whole(member) for key, member in one.items()) + "}"
        if isinstance(one, list):
            return "[" + comma.join(map(whole, one)) + "]"
        if isinstance(one, str):
            return string(one)
        if style == "mixed" and type(one) is int and abs(one) < 1000 and chance.random() < 0.2:
            return f"{one}{chance.choice(('.0', 'e0', '.00E+0'))}"
        return json.dumps(one)

    return whole(document)
