"""Random walks over the masks of a grammar, and the verdict on the text that each one writes."""

from __future__ import annotations

import functools
import json
import random
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from bench_suite import options_of, resources, suite_files
from judging import Outcome

import structgen as sg
from structgen.base.json_text.raw_json import write_as_read
from structgen.doors.maskbench.readers import Case, sources_of

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "oracles"))

KINDS = ("uniform", "closing", "budget")
DEAD_END, CRASH, INVALID, LOST = BAD = ("dead end", "crash", "invalid", "lost")
"""What must not be: no way on within `tokens_to_finish()`; an error of ours; a document that both judges
refuse; one that both accept, and the policies too, and the masks do not."""
DOUBTFUL = ("format", "disputed", "unjudged", "limit")
"""jsonschema-rs refuses a format, and the arbiter would ask the same judge; it refuses, and the arbiter
accepts; no judge has an opinion; a limit was met in the middle of a walk."""
MASKED = 16
"""Tokens of a walk within a budget that are drawn from the masks; the rest is finished as other walks are."""
MOST_EXPONENT = 2_000
V1, V2020 = "https://json-schema.org/v1", "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True)
class Subject:
    """A schema that is to be walked."""

    name: str
    schema: str
    options: Mapping[str, Any] = field(default_factory=dict)
    """What `sg.json_schema` is told beside the policies."""
    attacked: bool = False
    """A random schema (attacks.py): its options are all that is told, and it is tried with documents too."""


class Stuck(Exception):
    """A walk that cannot go on; `text` is what was written."""

    def __init__(self, why: str, text: bytes) -> None:
        super().__init__(why)
        self.text = text


class Vocabulary:
    """The tokens of a tokenizer as walks need them, made once."""

    def __init__(self, tokenizer: sg.Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.bytes = [data or b"" for data in tokenizer.token_bytes]
        self.ends = np.array([not token for token in self.bytes])
        """Tokens that write nothing: end tokens among them."""
        self.ends[list(tokenizer.eos_token_ids)] = True
        self.closers = np.array([any(byte in token for byte in b'"}]') for token in self.bytes])
        self.ids = {token: at for at, token in enumerate(self.bytes) if token and not self.ends[at]}
        self.longest = max(map(len, self.bytes))


class Walker:
    """Walks the masks of one compiled grammar."""

    def __init__(self, compiled: sg.CompiledGrammar, vocabulary: Vocabulary, chance: random.Random) -> None:
        self.compiled, self.vocabulary, self.chance = compiled, vocabulary, chance
        self.mask = sg.allocate_mask(1, len(vocabulary.bytes))
        self.matcher = sg.Matcher(compiled)
        self.text = bytearray()

    def walk(self, kind: str, most: int) -> bytes:
        """Return the document that one walk writes; raises `Stuck`.

        `most` tokens are free, but for a walk within a budget; the rest is written within
        `tokens_to_finish()`.
        """
        self.matcher, self.text = sg.Matcher(self.compiled), bytearray()
        try:
            if kind == "budget":
                self._within(self.matcher.tokens_to_finish() + self.chance.randrange(12))
            else:
                self._freely(kind, most)
        except sg.StructgenError as error:
            raise Stuck(f"{type(error).__name__}: {error}", bytes(self.text)) from error
        return bytes(self.text)

    def _freely(self, kind: str, most: int) -> None:
        chance, closers = self.chance, self.vocabulary.closers
        for _ in range(most):
            if self.matcher.is_complete and chance.random() < 0.3:
                return
            tokens = self._allowed()
            if kind == "closing" and chance.random() < 0.6:
                closing = tokens[closers[tokens]]
                tokens = closing if len(closing) else tokens
            if not self._draw(tokens):
                return
        self._finish(self.matcher.tokens_to_finish())

    def _within(self, left: int) -> None:
        """Write within a budget: tokens of its masks, and after a while the rest."""
        for _ in range(MASKED):
            if self.matcher.is_complete and (not left or self.chance.random() < 0.3):
                return
            if not self._draw(self._allowed(left)):
                return
            left -= 1
        self._finish(left)

    def _finish(self, left: int) -> None:
        """Complete the document with at most `left` tokens.

        The masks within the budget say which tokens may come. They cost most of a walk's time, so the first
        is filled, and from then on a token of the shortest completion is taken where as little is left as
        there should be after it; where none is, the mask is asked again.
        """
        matcher, vocabulary = self.matcher, self.vocabulary
        if not matcher.is_complete and self._draw(self._allowed(left)):
            left -= 1
        while not matcher.is_complete:
            head = matcher.compiled.completion(matcher.state)[: vocabulary.longest]
            for size in range(len(head), 0, -1):
                token = vocabulary.ids.get(head[:size])
                if token is None:
                    continue
                matcher.advance(token)
                if matcher.tokens_to_finish() < left:
                    self.text += head[:size]
                    break
                matcher.rollback(1)
            else:
                if not self._draw(self._allowed(left)):
                    return
            left -= 1
        if left < 0:
            raise Stuck(f"{-left} tokens more than tokens_to_finish() said", bytes(self.text))

    def _allowed(self, budget: int | None = None) -> np.ndarray:
        """Return the allowed tokens that write something; raises `Stuck` where the mask is empty."""
        self.matcher.fill_mask(self.mask, budget=budget)
        tokens = self.mask.allowed(0)
        if not len(tokens):
            raise Stuck("the mask is empty", bytes(self.text))
        found: np.ndarray = tokens[~self.vocabulary.ends[tokens]]
        return found

    def _draw(self, tokens: np.ndarray) -> bool:
        """Take one of the tokens; return False where there is none, since the document is complete."""
        if not len(tokens):
            if not self.matcher.is_complete:
                raise Stuck("only the end is allowed, and the document is not complete", bytes(self.text))
            return False
        token = int(tokens[self.chance.randrange(len(tokens))])
        self.matcher.advance(token)
        self.text += self.vocabulary.bytes[token]
        return True


class Judge:
    """Says what is wrong with a document: jsonschema-rs, and where it refuses, the arbiter too.

    Draft 3, which neither knows, is judged by `jsonschema`. The release v1 is judged as 2020-12.
    """

    def __init__(self, subject: Subject) -> None:
        from arbiter import Arbiter
        from schema_text import draft_of

        schema = json.loads(subject.schema)
        draft = draft_of(schema, subject.options.get("draft"))
        formats = subject.options.get("formats", "assert") == "assert"
        remotes = subject.options.get("resources", {})
        self._is_last = draft == "3"
        """Whether nobody is asked beside the first judge."""
        if self._is_last:
            self._first = _jsonschema(json.loads(json.dumps(schema), parse_float=Decimal), draft, remotes)
            return
        remotes = {uri: body for uri, body in remotes.items() if draft == "v1" or V1 not in json.dumps(body)}
        if draft == "v1":
            draft = "2020-12"
            schema, remotes = json.loads(json.dumps([schema, remotes]).replace(V1, V2020))
        exact = json.loads(json.dumps(schema), parse_float=Decimal)
        self._arbiter = Arbiter(exact, draft, "assert" if formats else "annotate")
        self._first = _jsonschema_rs(schema, draft, formats, remotes)
        self._python = functools.partial(_jsonschema, schema, draft, remotes)

    def fault(self, text: bytes) -> str | None:
        """Return why a text is no valid document, or None; what stands before the colon is one of `BAD` or
        `DOUBTFUL`."""
        error: Any = None
        try:
            value = json.loads(text, parse_float=_number)
            if self._first is not None:
                error = next(iter(self._first.iter_errors(value)), None)
                if error is None:
                    return None
        except ArithmeticError:
            return "unjudged: a number beyond what the judges hold"
        except RecursionError:
            return "unjudged: nested deeper than the judges read"
        except (ValueError, UnicodeEncodeError):
            # A lone surrogate, which jsonschema-rs does not read, is the arbiter's alone.
            value = json.loads(text, parse_float=_number)
        if error is None:
            return self._arbitrate(value, "")
        path = list(map(str, error.schema_path))
        message = f"{'/'.join(path)}: {error.message}"[-300:]
        if self._is_last:
            return f"invalid: {message}"
        return f"format: {message}" if path and path[-1] == "format" else self._arbitrate(value, message)

    def _arbitrate(self, value: Any, message: str) -> str | None:
        from arbiter import Unknown

        try:
            if self._arbiter.valid(value):
                return f"disputed: {message}" if message else None
        except (Unknown, ValueError, KeyError, StopIteration, RecursionError) as error:
            return f"invalid: {message}" if message else f"unjudged: {type(error).__name__} {error}"
        if not message and self._python().is_valid(value):
            return "disputed: the arbiter refuses it, jsonschema accepts it"
        return f"invalid: {message or 'the arbiter refuses it'}"


def _jsonschema_rs(schema: Any, draft: str, formats: bool, remotes: Mapping[str, Any]) -> Any:
    """Return a validator of jsonschema-rs, or None for a schema that it does not take."""
    import jsonschema_rs

    numbers = {"4": 4, "6": 6, "7": 7, "2019-09": 201909, "2020-12": 202012}
    make = getattr(jsonschema_rs, f"Draft{numbers[draft]}Validator")
    try:
        registry = jsonschema_rs.Registry(list(remotes.items())) if remotes else None
        return make(schema, validate_formats=formats, registry=registry, offline=True)
    except ValueError:
        return None


def _jsonschema(schema: Any, draft: str, remotes: Mapping[str, Any]) -> Any:
    """Return a validator of `jsonschema`, formats aside, which knows the remotes of its own draft alone."""
    import jsonschema
    from referencing import Registry
    from referencing.jsonschema import specification_with

    names = {"3": "draft-03", "4": "draft-04", "6": "draft-06", "7": "draft-07"}
    home = f"https://json-schema.org/draft/{draft}" if draft not in names else "http://json-schema.org/"
    uri = f"{home}/schema" if draft not in names else f"{home}{names[draft]}/schema#"
    make = specification_with(uri).create_resource
    own = {uri: body for uri, body in remotes.items() if f"/draft{draft}/" in uri or uri.count("/") == 3}
    registry: Any = Registry().with_resources((uri, make(body)) for uri, body in own.items())
    cls = getattr(jsonschema, f"Draft{draft.replace('-', '')}Validator")
    return cls(schema, registry=registry)


def _number(text: str) -> Decimal:
    """Return a number; ArithmeticError where exact arithmetic on it would take long."""
    number = Decimal(text)
    if abs(number.adjusted()) > MOST_EXPONENT:
        raise OverflowError(text)
    return number


def walked(
    walker: Walker,
    kind: str,
    tokens: int,
    judge: Callable[[bytes], str | None],
    outcome: Outcome,
    row: str,
    limit: str = DEAD_END,
) -> bytes | None:
    """Count one walk in a row of an outcome, and return its text if a judge has nothing against it.

    `judge` returns a label, perhaps with a colon and why, or None; `limit`: the label of a limit that is met.
    """
    outcome.count(row, "walks")
    try:
        text = walker.walk(kind, tokens)
        why = judge(text)
    except Stuck as error:
        met = isinstance(error.__cause__, sg.errors.LimitError)
        text, why = error.text, f"{limit if met else DEAD_END}: {error}"
    except Exception:
        text, why = bytes(walker.text), f"{CRASH}: {traceback.format_exc(limit=-4)}"
    outcome.count(row, "tokens", len(walker.matcher.tokens))
    if why is None:
        return text
    label, _, reason = why.partition(": ")
    outcome.fault(row, label, reason, text=text.decode("utf-8", "replace"))
    return None


def subjects(
    paths: Sequence[Path], seed: int, sample: int | None, wanted: Callable[[str], bool]
) -> Iterator[Subject]:
    """Yield the schemas that have a valid instance, or none that says so, in an order drawn by the seed.

    Each path is a folder or file of MaskBench, or the folder of the official suite. The first n of the
    order are a fair sample. `sample`: so many of each path; those that are not `wanted` are left out of it.
    """
    listed: list[tuple[str, Callable[[], Case | Subject]]] = []
    for path in paths:
        found: list[Any] = sources_of(path)
        if (path / "tests").is_dir():
            found = [(subject.name, functools.partial(Subject, **vars(subject))) for subject in _suite(path)]
        random.Random(seed).shuffle(found)
        listed += found[:sample]
    random.Random(seed).shuffle(listed)
    for name, read in listed:
        subject = read() if wanted(name) else None
        if isinstance(subject, Subject):
            yield subject
        elif subject and (subject.bare or any(instance.valid for instance in subject.instances)):
            yield Subject(subject.name, subject.schema)


def _suite(root: Path) -> Iterator[Subject]:
    """Yield the schemas of the official suite that have a valid instance."""
    remotes = resources(root)
    for file in suite_files(root):
        for at, group in enumerate(file.cases()):
            if any(test["valid"] for test in group["tests"]):
                asked = options_of(file, group["schema"])
                options = {key: asked[key] for key in ("formats", "draft") if key in asked}
                name = f"{file.draft}/{file.name}#{at}"
                yield Subject(name, write_as_read(group["schema"]), {**options, "resources": remotes})
