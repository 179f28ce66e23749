"""The sentences of the examination are sound: valid documents, told by the text, and by no template."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from data import everyday
from data.plain import ALL_FRAMES, LISTS
from data.scenes import Scene, Slot, read_scenes

FOLDER = Path(__file__).parents[1] / "data" / "extract"
FILES = ("hand_written", "development", "everyday")


def lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FOLDER / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("name", FILES)
def test_documents_are_valid(name: str) -> None:
    for line in lines(name):
        jsonschema.Draft202012Validator(line["schema"]).validate(line["answer"])


@pytest.mark.parametrize("name", FILES)
def test_names_stand_in_the_text(name: str) -> None:
    for line in lines(name):
        for path, kind in line["kinds"].items():
            value = line["answer"]
            for key in path.split("."):
                value = value[key]
            if kind.split()[-1] in ("name", "city", "item"):
                assert value in line["text"]


def test_there_are_enough_of_each_kind() -> None:
    sentences = lines("hand_written")
    counts = Counter(kind.split()[0] for line in sentences for kind in line["kinds"].values())
    assert len(sentences) >= 300
    assert len({line["text"] for line in sentences}) == len(sentences)
    kinds = ("name", "age", "city", "date", "price", "quantity", "boolean", "enum", "list", "nested")
    assert all(counts[kind] >= 30 for kind in kinds), counts


def test_development_and_examination_are_apart() -> None:
    assert not {line["text"] for line in lines("hand_written")} & {
        line["text"] for line in lines("development")
    }


NUMBER = r"(?:\S*\d[^,;]*|(?i:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen|\w+ty))"
NUMBERS = "count small place_number score year measure age price date clock code".split()
NAMES = "person first surname city country company title".split()


def said_in(slot: Slot) -> str:
    """Return a pattern of what a slot can say."""
    if slot.kind in NUMBERS:
        return NUMBER
    if slot.kind in NAMES:
        return r"[A-Z]\S*(?: \S+){0,2}"
    if slot.kind == "lines":
        return rf"(?:an? \S+ (?:at|for) |(?<!\w){NUMBER} )[^.;?!]+"
    if slot.kind.endswith("list"):
        return r"\S+(?: \S+)?(?:, \S+(?: \S+)?)*,? and \S+(?: \S+)?"
    choices = slot.values or [*slot.yes, *slot.no]
    return "(?:" + "|".join(map(re.escape, choices)) + ")" if choices else r"\S+(?: \S+)?"


def pattern_of(template: str, scene: Scene) -> re.Pattern[str]:
    """Return what a template can say: any number, capitalised words or words in its slots."""
    marks = {"(": "(?:", ")": ")", "[": "(?:", "]": ")?", "|": "|", "«": r"\(", "»": r"\)"}
    text = ""
    for part in re.split(r"(\{\w+\}|[()\[\]|«»])", template):
        if part in marks:
            text += marks[part]
        elif part.startswith("{"):
            text += said_in(scene.slots[part[1:-1]])
        else:
            text += re.escape(part)
    return re.compile(text.replace(r"\ ", r"\s*").removesuffix(r"\.") + r"\.?")


def said_by(patterns: list[re.Pattern[str]], texts: list[str]) -> list[str]:
    """Return the texts that some pattern can say."""
    return [text for text in texts if any(pattern.fullmatch(text) for pattern in patterns)]


def test_no_sentence_is_of_a_template() -> None:
    patterns = [pattern_of(template, scene) for scene in read_scenes() for template in scene.mains]
    assert said_by(patterns, ["Zsofia adopted a cat called Bolt."])
    assert said_by(patterns, [line["text"] for line in lines("hand_written")]) == []


WORDS = r"[^\s,;]+(?: [^\s,;]+){{0,{}}}"
THING, MARK = WORDS.format(3), r"(?:,? and also |,? and |, then | as well as | plus | & |[,;] )"
LIST, ARTICLED = (f"{one}(?:{MARK}{one})*" for one in (THING, f"(?:an?|the|his|her) {THING}"))
PLAIN = {
    **dict.fromkeys(("n", "f", "c", "c2"), WORDS.format(2)),
    **dict.fromkeys(("i", "i2", "I", "j", "w", "an", "an2", "o", "o2", "s", "s2", "m", "m2"), THING),
    **dict.fromkeys(("t", "k"), r"\S*\d\S*"),
    "R": rf"(?=.*{NUMBER})[^.!?]+",
    **dict.fromkeys(("age", "q"), NUMBER),
    **dict.fromkeys(("his", "the"), r"\w+"),
    **dict.fromkeys(("p", "p2"), r"\S*\d\S*(?: \S+)?"),
    "d": r"\S+(?: \S+){0,4}",
    "L": ARTICLED,
}


def frame_pattern(frame: str) -> re.Pattern[str]:
    """Return what a frame can say: any words of their kind in its slots, a clause of the list or none."""
    text = ""
    for part in re.split(r"(\{\w+(?: \w+)?\}| ~)", frame):
        if part == " ~":
            text += f"(?: (?:{'|'.join(map(re.escape, LISTS.clauses))}))?"
        elif part.startswith("{"):
            slot = part[1:-1]
            text += f"(?:an?|another) {THING}" if slot.startswith("a ") else PLAIN.get(slot, LIST)
        else:
            text += re.escape(part)
    return re.compile(rf"(?:(?:{'|'.join(map(re.escape, LISTS.openings))}) )?{text}[.!?]?", re.IGNORECASE)


def test_no_sentence_is_of_a_frame_of_plain_words() -> None:
    patterns = [frame_pattern(frame) for frame, _ in ALL_FRAMES]
    assert said_by(patterns, ["The other day Ida lent me her old canoe as a surprise."])
    assert said_by(patterns, [line["text"] for line in lines("hand_written")]) == []


def everyday_pattern(frame: str) -> re.Pattern[str]:
    """Return what a frame of everyday.py can say: its own words, and any words of their form in its slots."""
    lower, name = r"[a-z][\w'-]*(?: [\w'-]+){0,4}", r"[A-Z][\w'-]*(?: [A-Z][\w'-]*){0,2}"
    slots = {
        **dict.fromkeys(("r", "r2", "o", "w", "v", "v2", "v3", "T", "T2", "T3"), lower),
        **dict.fromkeys(("imp", "events"), r"[a-z][\w'-]*(?: [a-z][\w'-]*){0,3}"),
        **dict.fromkeys(("n", "f", "c", "c2", "b", "y", "X", "g"), name),
        **dict.fromkeys(("m", "m2"), r"\S+@\S+"),
        **dict.fromkeys(("z", "z2", "t", "t2", "k", "p", "q"), r"\S*\d\S*(?: [\w.]+)?"),
        "P": rf"{name}(?:{MARK}{name})+",
        **dict.fromkeys(("L", "V"), rf"{lower}(?:{MARK}{lower})*"),
        "s": r"[\w' ]*\d[\w' ]*",
        "h": r"[\d +()-]+",
        "did": "(?:" + "|".join(map(re.escape, everyday.LISTS.did)) + ")",
        "say": r".+(?: -|[.!,])",
        "his": "(?:his|her|their)",
        "new ": "(?:new )?",
        "zip ": "(?:ZIP |postal code |postcode |zip code )?",
    }

    def said(frame: str) -> str:
        text = ""
        for part in re.split(r"(\{[^{}]+\}|\([^()]*\|[^()]*\))", frame):
            slot = part.strip("{}")
            if part.startswith("(") and "|" in part:
                text += f"(?:{'|'.join(map(said, part[1:-1].split('|')))})"
            elif not part.startswith("{"):
                text += re.escape(part)
            elif slot.startswith("a "):
                text += rf"an? {slots[slot[2:]]}"
            else:
                text += slots.get(slot, r".+")
        return text

    tail = f"(?:,? (?:{'|'.join(map(re.escape, everyday.LISTS.tails))}))?"
    return re.compile(rf"{said(frame)}{tail}(?:[.!?]| please\.|, thanks\.)?")


def test_no_everyday_sentence_is_of_a_frame_of_the_training() -> None:
    # Two frames say nothing of their own: their sentences are not known by their words.
    frames = [
        frame
        for frame, _ in everyday.FRAMES
        if re.search(r"\w", re.sub(r"\{(?!imp|events)[^{}]+\}", "", frame))
    ]
    patterns = [everyday_pattern(frame) for frame in frames]
    assert said_by(patterns, ["I mean to feed the cat and mow the lawn by Friday."])
    texts = [line["text"] for name in FILES for line in lines(name)]
    texts += [text[0].lower() + text[1:] for text in texts]
    assert said_by(patterns, texts) == []


def test_no_everyday_opinion_is_one_of_the_training() -> None:
    remarks = {
        remark.lower().strip("!.")
        for bank in (everyday.LISTS.good, everyday.LISTS.bad, everyday.LISTS.plain)
        for remark in bank
        if "{" not in remark
    }
    opinions = [line["text"] for line in lines("everyday") if "sentiment" in line["kinds"].values()]
    parts = {part.lower().strip() for text in opinions for part in re.split(r"[.!?;]", text)}
    assert not parts & remarks
