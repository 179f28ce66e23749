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

from violators import parts
from walks import CRASH, DEAD_END, DOUBTFUL, INVALID, KINDS, LOST, Outcome, Stuck, Subject, Vocabulary, Walker

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


def random_subjects(seed: int, count: int, only: frozenset[str], done: frozenset[str]) -> Iterator[Subject]:
    """Yield the first schemas of a seed; `only`, `done`: as `walks.subjects` takes them."""
    for number in range(count):
        made = subject(seed, number)
        if made.name not in done and (not only or made.name in only):
            yield made


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
    subject: Subject, vocabulary: Vocabulary, walks: int, tokens: int, seconds: float, seed: int
) -> Outcome:
    """Return what came of the walks and the documents of a random schema.

    Once so many `seconds` of the processor are used nothing more is tried, and the verdict is "slow".
    """
    return _Attack(subject, vocabulary, seed).outcome_of(walks, tokens, seconds)


class _Attack:
    def __init__(self, subject: Subject, vocabulary: Vocabulary, seed: int) -> None:
        self.subject, self.vocabulary = subject, vocabulary
        self.schema = json.loads(subject.schema)
        self.options = Options(**subject.options)
        self.chance = random.Random(f"{seed} {subject.name}")
        self.judges = TwoJudges(self.schema)
        self.outcome = Outcome(subject.name)

    def outcome_of(self, walks: int, tokens: int, seconds: float) -> Outcome:
        outcome, end = self.outcome, time.process_time() + seconds
        compiled: sg.CompiledGrammar | None = None
        try:
            grammar = sg.json_schema(self.schema, strict=None, **self.subject.options)
            compiled = sg.compile(grammar, self.vocabulary.tokenizer, store=False)
        except sg.errors.UnsatisfiableSchema as error:
            # No document may be valid, then.
            outcome.verdict = type(error).__name__
        except sg.StructgenError as error:
            outcome.verdict = type(error).__name__
            outcome.faults.append({"kind": "compile", "why": f"{type(error).__name__}: {error}"[:400]})
            return outcome
        except Exception:
            self._crashed("compile", b"")
            return outcome
        for document in self._documents(compiled, walks, tokens):
            self._given(compiled, document)
            if time.process_time() > end:
                outcome.verdict = "slow"
                break
        outcome.seconds = seconds - (end - time.process_time())
        return outcome

    def _walked(self, walker: Walker, kind: str, tokens: int) -> Iterator[Any]:
        """Yield the document of one walk, if it is one that both judges take."""
        outcome = self.outcome
        outcome.walks[kind] = outcome.walks.get(kind, 0) + 1
        try:
            text = walker.walk(kind, tokens)
        except Stuck as error:
            label = "limit" if isinstance(error.__cause__, sg.errors.LimitError) else DEAD_END
            self._fault(kind, f"{label}: {error}", error.text)
        except Exception:
            self._crashed(kind, bytes(walker.text))
        else:
            said = self._judged(text)
            if said == NO:
                self._fault(kind, f"{INVALID}: {self._why(text)}", text)
            elif said in DOUBTFUL:
                self._fault(kind, said, text)
            else:
                with suppress(ValueError):
                    yield readable(text.decode())
        outcome.tokens[kind] = outcome.tokens.get(kind, 0) + len(walker.matcher.tokens)

    def _given(self, compiled: sg.CompiledGrammar | None, document: Any) -> None:
        """Try one document."""
        text = spelt(document, self.chance).encode()
        said = self._judged(text)
        if said not in (YES, NO):
            return
        self.outcome.walks[DOCUMENT] = self.outcome.walks.get(DOCUMENT, 0) + 1
        try:
            taken = compiled is not None and self._taken(compiled, text)
        except sg.errors.LimitError as error:
            self._fault(DOCUMENT, f"limit: {error}", text)
        except Exception:
            self._crashed(DOCUMENT, text)
        else:
            if taken != (said == YES):
                self._fault(DOCUMENT, f"{INVALID}: {self._why(text)}" if taken else LOST, text)

    def _taken(self, compiled: sg.CompiledGrammar, text: bytes) -> bool:
        """Return whether a text is taken, cut into tokens at random, each allowed by the mask before it."""
        matcher, mask = sg.Matcher(compiled), sg.allocate_mask(1, len(self.vocabulary.bytes))
        at = 0
        while at < len(text):
            ends = range(at + 1, min(at + self.vocabulary.longest, len(text)) + 1)
            heads = [text[at:end] for end in ends if text[at:end] in self.vocabulary.ids]
            token = self.vocabulary.ids[self.chance.choice(heads)]
            matcher.fill_mask(mask)
            if token not in mask.allowed(0):
                return False
            matcher.advance(token)
            at += len(self.vocabulary.bytes[token])
        self.outcome.tokens[DOCUMENT] = self.outcome.tokens.get(DOCUMENT, 0) + len(matcher.tokens)
        return matcher.is_complete

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

    def _documents(self, compiled: sg.CompiledGrammar | None, walks: int, tokens: int) -> Iterator[Any]:
        """Yield values to try: random ones, those of the schema, walked ones, and these with a change."""
        chance = self.chance
        for _ in range(DOCUMENTS):
            yield rare_value(chance, 3)
        own = [one for one in parts([self.schema]) if not isinstance(one, dict) or "$defs" not in one]
        for one in chance.sample(own, min(DOCUMENTS // 2, len(own))):
            yield one if chance.random() < 0.5 else {chance.choice(RARE.keys): one}
        if compiled is None:
            return
        walker = Walker(compiled, self.vocabulary, chance)
        for number in range(walks):
            for document in self._walked(walker, KINDS[number % len(KINDS)], tokens):
                yield document
                for _ in range(4):
                    yield changed(document, chance)

    def _crashed(self, kind: str, text: bytes) -> None:
        self._fault(kind, f"{CRASH}: {traceback.format_exc(limit=-4)}", text)

    def _fault(self, kind: str, why: str, text: bytes) -> None:
        about = {"options": dict(self.subject.options), "schema": self.subject.schema}
        self.outcome.walks.setdefault(kind, 0)
        self.outcome.faults.append(
            {"kind": kind, "why": why, "text": text.decode("utf-8", "replace"), **about}
        )


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
