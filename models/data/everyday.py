"""Everyday sentences: roles of several words, addresses, e-mail, times, to-do lists, and whether people are
pleased.

The frames are those of plain.py with slots of their own: `r` a role, `m` an e-mail address, `z` a postal
code, `s` a street, `h` a telephone number, `t` a time, `y` a weekday, `k` a code, `v` a task, `V` a list of
tasks, `w` a meeting point, `o` a thing, `T` a topic, `P` some people, `L` things to buy, `X` a title, `g` a
name without a title; `imp`, `say`, `did` and `events` are words that no schema asks for, and of `(a|b|)` one
part stands. A schema asks for some of the slots, so that several strings of one text have to be told apart by
the words of their keys. No frame has the form of an examination's sentence.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterator
from pathlib import Path

from data import remarks
from data.texts import texts
from data.values import Fact, Value, Values, article_of, facts_of, spelled, spoken
from data.words import KNOWN, Words

LISTS = texts("everyday")


def _frames() -> Iterator[tuple[str, str]]:
    """Yield the sentences of everyday.txt, and the slots that a schema may ask for with their keys."""
    known: dict[str, str] = {}
    for line in (Path(__file__).parent / "everyday.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("$"):
            name, _, keys = line.partition(" = ")
            known[name] = keys
        elif line and not line.startswith("#"):
            frame, _, asked = line.partition(" :: ")
            yield frame, re.sub(r"\$[A-Z]+", lambda match: known[match[0]], asked)


FRAMES: tuple[tuple[str, str], ...] = tuple(_frames())
_SLOT = re.compile(r"\{([^{}]+)\}")
_CHOICE = re.compile(r"\(([^()]*\|[^()]*)\)")
"""One of several parts of a frame: `(a|b|)`."""


class Everyday:
    """Draws sentences: the facts that they tell, and the text."""

    def __init__(self, words: Words, values: Values) -> None:
        self.words, self.values, self.chance = words, values, words.chance

    def draw(self) -> tuple[dict[str, Fact], str]:
        """Return the facts by name, and the sentence."""
        chance, draw = self.chance, self.chance.random()
        if draw < 0.2:
            return self._opinion()
        if draw < 0.25:
            return self._message()
        if draw < 0.37:
            return self._tally()
        frame, asked = chance.choice(FRAMES)
        if chance.random() < 0.3:
            # No word that is always the same carries the meaning.
            frame = re.sub(r"[^{}]+(?![^{]*\})", lambda match: self.words.noisy(match[0], 0.12), frame)
        while "|" in frame:
            frame = _CHOICE.sub(lambda match: chance.choice(match[1].split("|")), frame)
        said: dict[str, Value] = {}
        text = _SLOT.sub(lambda match: self._filled(match[1], said), frame)
        text = re.sub(" +", " ", text).strip()
        return facts_of(said, asked), self._finished(text, said)

    def _finished(self, text: str, said: dict[str, Value]) -> str:
        """Return the sentence with a capital letter where no value begins it, and with its end."""
        chance = self.chance
        copied = tuple(value.said for value in said.values() if value.type != "integer")
        if not text.startswith(copied) and chance.random() < 0.9:
            text = text[0].upper() + text[1:]
        if text.endswith((".", "?", "!")):
            return text
        if chance.random() < 0.1:
            text = f"{text}{chance.choice((' ', ', '))}{chance.choice(LISTS.tails)}"
        return text + chance.choice((".", ".", ".", ".", "!", "", "", " please.", ", thanks."))

    def _filled(self, slot: str, said: dict[str, Value]) -> str:
        chance = self.chance
        if slot in LISTS.unasked:
            return chance.choice(LISTS.unasked[slot])
        if slot in ("did", "events"):
            return chance.choice(getattr(LISTS, slot))
        if slot == "say":
            return self._aside()
        if slot == "imp":
            verbs = LISTS.told if chance.random() < 0.5 else LISTS.told_at
            return chance.choice(verbs) if chance.random() < 0.8 else self.words.made_up()
        if slot == "X":
            titled = said["X"] = spoken(chance.choice(KNOWN.titles))
            return titled.said
        if slot[0] == "V":
            form, slot = slot[1:], "V"
            value = said["V"] = self._tasks(form)
            return value.said
        article = slot.startswith("a ")
        slot = slot.removeprefix("a ")
        value = said[slot] = self._value(LISTS.kinds[slot.rstrip("23")])
        if article:
            return f"{'an' if value.said[0] in 'aeiou' else 'a'} {value.said}"
        return value.said

    def _opinion(self) -> tuple[dict[str, Fact], str]:
        """Return a remark or two, and whether somebody is pleased."""
        chance = self.chance
        good, bad, plain = chance.choice(LISTS.scales)
        choices = [(good, LISTS.good), (bad, LISTS.bad)] + ([(plain, LISTS.plain)] if plain else [])
        answer, bank = chance.choice(choices)
        thing, name = self.values.item(), self.values.first()
        it = f"{chance.choice(('the', 'this', 'my', 'our'))} {thing.said}"
        how = (LISTS.good, LISTS.bad, LISTS.plain).index(bank)

        def remark(how: int) -> str:
            bank = (LISTS.good, LISTS.bad, LISTS.plain)[how]
            form = chance.choice(bank) if chance.random() < 0.25 else remarks.judged(chance, how)
            return self._put(form, it, thing.said, name.said)

        parts = list(dict.fromkeys(remark(how) for _ in range(chance.choice((1, 1, 1, 2, 2, 3)))))
        if how < 2 and chance.random() < 0.25:
            parts.insert(0, remark(2))
        link = chance.choice((". ", ", and ", "! ", "; ", " - ", ". "))
        text = link.join(part[0].upper() + part[1:] if link[0] in ".!" else part for part in parts)
        text = text[0].upper() + text[1:] + chance.choice((".", ".", "!", ""))
        options = [one for one in (good, bad, plain) if one]
        if chance.random() < 0.5:
            chance.shuffle(options)
        if chance.random() < 0.15:
            options, answer = [one.upper() for one in options], answer.upper()
        schema = {"type": "string", "enum": options}
        facts = {"opinion": Fact(Value("", answer, "string", "enum"), LISTS.opinion, schema)}
        if thing.said in text and chance.random() < 0.5:
            facts["o"] = thing.fact(["product", "item", "thing", "about"])
        if name.said in text and chance.random() < 0.7:
            facts["n"] = name.fact(["name", "person", "customer"])
        return facts, text

    def _put(self, form: str, it: str, thing: str, name: str) -> str:
        """Return a remark with its slots filled."""
        day, count = self.chance.choice(LISTS.days), self.values.small().said
        return form.format(
            it=it, It=it, o=thing, n=name, y=day, c=self.words.city(), q=count, b=self.words.company()
        )

    def _aside(self) -> str:
        """Return something that nobody asks for, with a mark behind it."""
        chance, mark = self.chance, self.chance.choice((" -", ".", "!", ",", "."))
        if chance.random() < 0.3:
            return chance.choice(LISTS.say) + mark
        thing = self.words.item()
        form = remarks.judged(chance, chance.randrange(3))
        text = self._put(form, f"the {thing}", thing, self.words.first_name())
        if chance.random() < 0.3:
            how = chance.choice(("good", "great", "short", "long", "fine", "hm"))
            text = f"{how} {chance.choice(remarks.LISTS.parts)}, but {text}"
        return text + mark

    def _message(self) -> tuple[dict[str, Fact], str]:
        """Return a message, and its kind among several."""
        keys, kinds, kind, form = remarks.message(self.chance)
        thing = self.words.item()
        text = self._put(form, f"the {thing}", thing, self.words.first_name())
        if self.chance.random() < 0.3:
            # No label that is always the same.
            said = {one: one.upper() if self.chance.random() < 0.5 else f"{one}s" for one in kinds}
            kinds, kind = [said[one] for one in kinds], said[kind]
        schema = {"type": "string", "enum": kinds}
        return {"kind": Fact(Value("", kind, "string", "enum"), list(keys), schema)}, text

    def _tally(self) -> tuple[dict[str, Fact], str]:
        """Return a number for each of several names or things, whose keys the text alone tells."""
        chance = self.chance
        words = self.words
        names = chance.choice((words.first_name, words.first_name, words.city, words.item))
        what, keys, unit = chance.choice(LISTS.tallies)
        many = names == self.words.item
        money = what == "money"
        found: dict[str, object] = {}
        parts: list[str] = []
        form = chance.choice(LISTS.counted)
        if many and chance.random() < 0.7:
            form, money, keys = "{v} {k}", False, "stock,counts,items,order,quantities,things,basket"
        elif many:
            keys = "prices,stock,costs,list" if money else "stock,counts,quantities"
        got = chance.choice(("has", "got", "gets", "had", "made", "took", "owes" if money else "scored"))
        for _ in range(chance.choice((1, 2, 2, 3, 3, 4))):
            plural = form == "{v} {k}" and chance.random() < 0.85
            name = self.words.item(plural=plural) if many else names()
            number = self.values.price() if money else self.values.small()
            if form == "{v} {k}" and not plural:
                number = Value(chance.choice(("one", "1", article_of(name))), 1, "integer", "quantity")
            if name not in found:
                found[name] = number.value
                parts.append(form.format(k=name, v=number.said, g=got, u=unit))
        link = chance.choice((", ", ", ", "; ", " and ", "\n", " / "))
        text = link.join(parts)
        if link == ", " and len(parts) > 1 and chance.random() < 0.7:
            text = f"{', '.join(parts[:-1])} and {parts[-1]}"
        key_words = keys.split(",")
        lead = chance.choice(LISTS.leads)
        text = lead.format(k=chance.choice(key_words), y=chance.choice(LISTS.days)) + text
        if lead or many:
            text = text[0].upper() + text[1:] if lead or text[0].isdigit() else text
        value = Value("", found, "tally", "list")
        inner = {"type": "number"} if money else {"type": "integer"}
        schema = {"type": "object", "additionalProperties": inner}
        return {"tally": Fact(value, key_words, schema)}, text + chance.choice((".", ".", "", "!"))

    def _value(self, kind: str) -> Value:
        """Return a value of a kind: `_role`, ... (the methods below), or one of values.py."""
        make: Callable[[], Value] = getattr(self if kind.startswith("_") else self.values, kind)
        return make()

    # --- values ---------------------------------------------------------------------------------------------

    def _role(self) -> Value:
        chance = self.chance
        draw = chance.random()
        if draw > 0.9:
            return self._long_role()
        draw /= 0.9
        field = chance.choice(LISTS.fields) if chance.random() < 0.85 else self.words.made_up()
        area = chance.choice(LISTS.areas) if chance.random() < 0.5 else field
        if draw < 0.22:
            return spoken(f"{chance.choice(LISTS.heads_of)} of {area}")
        if draw < 0.3:
            return spoken(f"{chance.choice(LISTS.assistants)} to the {chance.choice(LISTS.bosses)}")
        if draw < 0.55:
            level = f"{chance.choice(LISTS.levels)} " if chance.random() < 0.6 else ""
            return spoken(f"{level}{field} {chance.choice(LISTS.jobs)}")
        if draw < 0.7:
            level = f"{chance.choice(LISTS.levels)} " if chance.random() < 0.35 else ""
            return spoken(f"{level}{chance.choice(LISTS.trades)}")
        if draw < 0.78:
            return spoken(f"{chance.choice(LISTS.groups)} {chance.choice(LISTS.leaders)}", "item")
        if draw < 0.86:
            return spoken(f"{chance.choice(LISTS.officers)} {field} officer")
        return spoken(f"{chance.choice(LISTS.levels)} {chance.choice(KNOWN.jobs)}")

    def _long_role(self) -> Value:
        chance = self.chance
        area = chance.choice(LISTS.areas) if chance.random() < 0.5 else chance.choice(LISTS.fields)
        first = chance.choice(LISTS.members)
        levels = " ".join(chance.sample(LISTS.levels, chance.choice((0, 1, 1, 2))))
        field = chance.choice(LISTS.fields)
        kind = chance.choice(("", field, self.words.made_up(), "project", "team", "night"))
        job = chance.choice(LISTS.jobs) if chance.random() < 0.6 else chance.choice(KNOWN.jobs)
        boss = chance.choice(LISTS.bosses)
        end = chance.choice(LISTS.role_ends).format(boss=boss, area=area)
        if chance.random() < 0.3:
            boss = chance.choice(LISTS.bosses)
            job, kind, end = first, "", f" of {area}{chance.choice(('', f' to the {boss}'))}"
        return spoken(" ".join(f"{levels} {kind} {job}{end}".split()), "item")

    def _mail(self) -> Value:
        chance = self.chance
        first, last = self.words.first_name().lower(), self.words.full_name().split()[-1].lower()
        first, last = (re.sub(r"[^a-z]", "", one) or "info" for one in (first, last))
        number, field = chance.randint(1, 99), chance.choice(LISTS.fields)
        names = {"first": first, "last": last, "f": first[0], "l": last[0], "number": number, "field": field}
        local = chance.choice(LISTS.mailboxes).format(**names)
        domain = chance.choice(LISTS.domains) if chance.random() < 0.6 else self.words.made_up().lower()
        domain = re.sub(r"[^a-z-]", "", domain) or "mail"
        if chance.random() < 0.25:
            domain += chance.choice(("-", ".", "")) + chance.choice(LISTS.domains)
        mail = f"{local}@{domain}.{chance.choice(LISTS.endings)}"
        return Value(mail, mail, chance.choice(("email", "string")), "item")

    def _zip(self) -> Value:
        chance = self.chance

        def drawn(match: re.Match[str]) -> str:
            """Return digits for `9`, capitals for `A`, one letter or two for `?`, a number of `1-29`."""
            mark = match[0]
            if "-" in mark:
                return str(chance.randint(*map(int, mark.strip("<>").split("-"))))
            count = chance.choice((1, 2)) if mark == "?" else len(mark)
            signs = string.digits if mark[0] == "9" else string.ascii_uppercase
            return "".join(chance.choices(signs, k=count))

        return spoken(re.sub(r"<\d+-\d+>|\?|9+|A+", drawn, chance.choice(LISTS.postal_codes)))

    def _street(self) -> Value:
        chance = self.chance
        number = f"{chance.randint(1, 199)}{chance.choice(('', '', '', '', 'a', 'b'))}"
        if chance.random() < 0.3:
            name = self.words.made_up().capitalize()
            return spoken(chance.choice(LISTS.foreign).format(x=name, X=name, n=number))
        name = chance.choice(LISTS.streets) if chance.random() < 0.6 else self.words.made_up().capitalize()
        return spoken(f"{number} {name} {chance.choice(LISTS.roads)}")

    def _phone(self) -> Value:
        chance = self.chance
        count = chance.randint(2, 4)
        groups = ["".join(chance.choices(string.digits, k=chance.randint(2, 4))) for _ in range(count)]
        lead = chance.choice((f"+{chance.randint(1, 99)} ", "0", f"({chance.randint(20, 999)}) ", ""))
        return spoken(lead + chance.choice((" ", "-", " ")).join(groups), "item")

    def _time(self) -> Value:
        chance = self.chance
        hour, minute = chance.randint(1, 12), chance.choice(LISTS.minutes)
        draw, second, zone = chance.random(), 0, ""
        if draw < 0.42:
            hour = chance.randint(0, 23)
            text = f"{hour}:{minute:02d}"
        elif draw < 0.52:
            hour = chance.randint(0, 23)
            text = f"{hour:02d}:{minute:02d}"
            if chance.random() < 0.15:
                second = chance.randint(0, 59)
                text += f":{second:02d}"
            elif chance.random() < 0.2:
                text, zone = text + chance.choice((" UTC", " GMT", "Z", " utc")), "Z"
        elif draw < 0.82:
            half = chance.choice(LISTS.halves)
            minute = 0 if chance.random() < 0.5 else minute
            text = f"{hour}:{minute:02d}{half}" if minute or chance.random() < 0.15 else f"{hour}{half}"
            hour = hour % 12 + (12 if half.strip()[0] in "pP" else 0)
        elif draw < 0.92:
            before, minute = chance.choice(LISTS.quarters)
            text = f"{before} {spelled(hour)}"
            hour, minute = divmod(hour * 60 + minute, 60)
            hour = hour or 12
        elif draw < 0.96:
            text, hour = chance.choice((("noon", 12), ("midnight", 0), ("midday", 12)))
            minute = 0
        else:
            text, minute = f"{spelled(hour)} o'clock", 0
        if chance.random() < 0.35:
            return Value(text, f"{hour:02d}:{minute:02d}:{second:02d}{zone}", "time", "time")
        return spoken(text)

    def _topic(self) -> Value:
        chance = self.chance
        head = chance.choice(LISTS.heads) if chance.random() < 0.85 else self.words.made_up()
        text = f"{chance.choice(LISTS.of)} {head}" if chance.random() < 0.6 else head
        draw = chance.random()
        if draw < 0.3:
            text = f"{chance.choice(LISTS.turns)} {text}"
        elif draw < 0.55:
            end = chance.choice(LISTS.ends)
            text = f"{text} {end}".format(c=self.words.city(), h=chance.choice(LISTS.heads))
        if draw > 0.4 and chance.random() < 0.5:
            text = f"{chance.choice(('the', 'the', 'our', 'my', 'your'))} {text}"
        return spoken(text)

    def _untitled(self) -> Value:
        name = self.words.proper(KNOWN.last_names) if self.chance.random() < 0.5 else self.words.full_name()
        return spoken(name, "name")

    def _person(self) -> Value:
        """A name, now and then said with a title that is no part of the value."""
        if self.chance.random() > 0.1:
            return self.values.person()
        name = str(self._untitled().value)
        return Value(f"{self.chance.choice(KNOWN.titles)} {name}", name, "string", "name")

    def _people(self) -> Value:
        """Two to five people; titles are no part of their names."""
        chance = self.chance
        draw = self._person if chance.random() < 0.4 else self.values.first
        people = [draw() for _ in range(chance.choice((2, 3, 3, 3, 4, 5)))]
        said = self.values.listed([one.said for one in people]).said
        return Value(said, [one.value for one in people], "strings", "list")

    def _goods(self) -> Value:
        """Things to buy, said as they stand in the list: articles and measures are part of them."""
        chance = self.chance

        def thing() -> str:
            goods = chance.choice(LISTS.goods) if chance.random() < 0.8 else self.words.item(plural=True)
            draw = chance.random()
            if draw < 0.2:
                return f"{chance.choice(LISTS.measures)} {chance.choice(KNOWN.containers)} of {goods}"
            if draw < 0.28:
                return f"{chance.choice(LISTS.some)} {goods}"
            return goods

        things = list(dict.fromkeys(thing() for _ in range(chance.choice((1, 2, 3, 3, 3, 4)))))
        return self.values.listed(things)

    def _day(self) -> Value:
        return spoken(self.chance.choice(LISTS.days))

    def _code(self) -> Value:
        if self.chance.random() < 0.5:
            return spoken("".join(self.chance.choices(string.digits, k=self.chance.randint(4, 8))), "item")
        return self.values.code()

    def _meeting(self) -> Value:
        chance = self.chance
        return spoken(chance.choice(LISTS.meeting).format(p=chance.choice(LISTS.places)), "item")

    def _task(self) -> Value:
        chance = self.chance
        verb, _, objects = chance.choice(LISTS.verbs).partition("|")
        thing = chance.choice(objects.split(","))
        if chance.random() < 0.25:
            thing = f"{chance.choice(('the', 'a', 'my', 'some'))} {self.words.item()}"
        elif chance.random() < 0.15:
            paper = f"{chance.choice(LISTS.owners)} {chance.choice(LISTS.compounds)}"
            thing = f"{paper} {chance.choice(LISTS.papers)}".strip()
        return spoken(f"{verb} {thing}".format(f=self.words.first_name()), "item")

    def _tasks(self, form: str) -> Value:
        """Return a list of things to do, said after `to` (`to` is repeated in form `to`) or after a colon."""
        chance = self.chance
        count = chance.choices((1, 2, 3, 4), (2, 6, 7, 2))[0]
        tasks = list(dict.fromkeys(str(self._task().value) for _ in range(count)))
        if len(tasks) == 1:
            return Value(tasks[0], tasks, "strings", "list")
        again = "to " if form == "to" and chance.random() < 0.5 else ""
        if form == ":" and chance.random() < 0.6:
            said = chance.choice((", ", ", ", "; ", " / ")).join(tasks)
            return Value(said, tasks, "strings", "list")
        link = chance.choice((" and ", " and ", ", and ", " and then ", ", then "))
        said = ", ".join([tasks[0], *(again + one for one in tasks[1:-1])]) + link + again + tasks[-1]
        return Value(said, tasks, "strings", "list")
