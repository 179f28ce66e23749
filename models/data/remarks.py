"""Remarks: whether somebody is pleased, put together from parts of sentences; and short messages of one kind
among several, such as a question or a complaint.

A remark names a part of a thing and judges it with an adjective or an event, so that what is learned is the
words that judge. No remark is one of the examination's.
"""

from __future__ import annotations

import random

from data.texts import texts

LISTS = texts("remarks")


def judged(chance: random.Random, how: int) -> str:
    """Return a remark: pleased (0), displeased (1) or neither (2); `{it}`, `{o}`, `{n}`, `{c}`, `{y}` and
    `{q}` stand for a thing with its article, without it, a name, a city, a weekday and a number."""
    feelings = (LISTS.good_feelings, LISTS.bad_feelings, LISTS.flat_feelings)[how]
    words = (LISTS.good, LISTS.bad, LISTS.flat)[how]
    events = (LISTS.good_events, LISTS.bad_events, LISTS.flat_events)[how]
    draw = chance.random()
    if draw < 0.3:
        return chance.choice(feelings)
    part = f"{chance.choice(('the', 'the', 'the', 'my', 'our', 'this'))} {chance.choice(LISTS.parts)}"
    if draw < 0.4:
        part = "{it}"
    elif draw < 0.45:
        part = chance.choice(("it", "everything")) if how < 2 else "it"
    if draw < 0.75 or 0.95 < draw:
        verb = chance.choice(("is", "was", "is", "was", "turned out", "looks"))
        is_ = "is " if how == 2 else f"{verb} {chance.choice(LISTS.very)}"
        text = f"{part} {is_}{chance.choice(words)}"
        if chance.random() < 0.25:
            text += f" and {chance.choice(LISTS.parts)} {chance.choice(('was', 'is'))} {chance.choice(words)}"
        return text
    return f"{part} {chance.choice(events)}{chance.choice(LISTS.whens) if how == 1 else ''}"


def message(chance: random.Random) -> tuple[tuple[str, ...], list[str], str, str]:
    """Return keys that may ask for the kind of a message, some kinds, its kind, and the message."""
    drawn = chance.choice(LISTS.kinds)
    keys, banks = drawn["keys"], drawn["messages"]
    kind = chance.choice(list(banks))
    others = [one for one in banks if one != kind]
    kinds = [kind, *chance.sample(others, chance.randint(1, min(4, len(others))))]
    chance.shuffle(kinds)
    count = chance.choice((1, 1, 2)) if len(banks[kind]) > 1 else 1
    parts = chance.sample(banks[kind], count)
    text = " ".join(part[0].upper() + part[1:] + ("" if part[-1] in "?!" else ".") for part in parts)
    return keys, kinds, kind, text
