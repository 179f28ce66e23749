"""Everyday sentences: roles of several words, addresses, e-mail, times, to-do lists, and whether people are
pleased.

The frames are those of plain.py with slots of their own: `r` a role, `m` an e-mail address, `z` a postal
code, `s` a street, `h` a telephone number, `t` a time, `y` a weekday, `k` a code, `v` a task, `V` a list of
tasks, `w` a meeting point, `o` a thing, `T` a topic, `P` some people, `L` things to buy, `X` a title, `g` a
name
without a title; `imp`, `say`, `did` and `x` are words that no schema asks for, and of `(a|b|)` one part
stands. A schema asks for some of the slots, so that several strings of
one text have to be told apart by the words of their keys. No frame has the form of an examination's sentence.
"""

from __future__ import annotations

import random
import re
import string
from collections.abc import Callable, Iterator
from pathlib import Path

from data import words as lexicon
from data.remarks import PARTS, judged, message
from data.values import SCHEMAS, Fact, Value, Values, article_of, spelled
from data.words import Words

_FIELDS = (
    "sales marketing finance purchasing operations logistics engineering design security training "
    "legal quality production communications accounting payroll recruiting procurement catering "
    "maintenance compliance product data research software hardware network growth content events"
).split()
_AREAS = (
    "human resources", "public relations", "information security", "business development",
    "product management", "student affairs", "corporate communications", "software engineering",
    "clinical trials", "art and design", "mergers and acquisitions", "health and safety",
    "visitor services", "food and beverages", "strategy and planning", "learning and development",
    "internal audit", "the London office", "the night shift", "the archive", "the choir",
    "the emergency ward",
)  # fmt: skip
_JOBS = (
    "manager engineer analyst consultant designer developer officer administrator specialist assistant "
    "coordinator technician supervisor editor advisor lead representative planner scientist director"
).split()
_LEVELS = (
    "senior", "junior", "deputy", "assistant", "lead", "principal", "chief", "acting", "regional",
    "associate", "interim", "head", "former", "part-time", "freelance", "retired", "trainee", "honorary",
)  # fmt: skip
_BOSSES = (
    "director", "board", "principal", "minister", "president", "chief executive", "dean", "editor in chief",
    "head of sales",
)  # fmt: skip
_TRADES = (
    "school teacher", "fire fighter", "taxi driver", "police officer", "hotel manager", "shop assistant",
    "tour guide", "estate agent", "flight attendant", "bank clerk", "music teacher", "truck driver",
    "social worker", "pastry chef", "stage designer", "civil engineer", "tax adviser", "midwife", "nurse",
    "night porter", "football coach", "court reporter", "insurance broker", "wedding planner", "vet",
    "primary school teacher", "data entry clerk", "web developer", "speech therapist", "head chef",
)  # fmt: skip
_DOMAINS = (
    "mail post inbox office shop studio garden north river hill green blue home work city union forum atlas "
    "maple cedar lumina vertex orbit nimbus fjell lago monte"
).split()
_ENDINGS = "com org net de co.uk fr it example test io eu ch se edu info biz example.com example.org".split()
_ROADS = (
    "Street Road Lane Avenue Drive Close Square Court Way Terrace Crescent Hill Gardens Row Place Boulevard"
).split()
_STREETS = (
    "Mill Church Station Park Oak Maple High King's Queen's Bridge River Castle School Victoria Chapel Manor "
    "Orchard Meadow Spring Harbour Market Windsor Cedar Elm Rose Albert Linden Lake Abbey Forest"
).split()
_FOREIGN = (
    "{x}strasse {n}", "{x}weg {n}", "{x}gasse {n}", "{n} rue de {X}", "{n}, avenue {X}", "via {X} {n}",
    "Calle de {X} {n}", "{X}gatan {n}", "{X}straat {n}", "{x}allee {n}", "Rua {X} {n}",
)  # fmt: skip
_VERBS = (
    "call|the dentist,the bank,the plumber,mum,the vet,the insurance,the school,the garage,the landlord,{f}",
    "pay|the rent,the bill,the invoice,the electricity bill,the fine,the deposit,the gardener",
    "water|the plants,the garden,the roses,the tomatoes",
    "buy|milk,stamps,bread,a present,new shoes,tickets,flowers for {f},cat food,paint,eggs and flour",
    "book|a table,flights,the hotel,a room,the venue,a taxi for {f}",
    "renew|the passport,the library card,the contract,the insurance,the domain",
    "send|the contract,the report,the parcel,the slides to {f},an invoice,the photos,a card to {f}",
    "clean|the kitchen,the windows,the oven,the car,the bathroom,the gutters",
    "fix|the bike,the tap,the printer,the fence,the bug in the search,the roof,the door handle",
    "write|to {f},a report,the minutes,an agenda,the thank-you notes,a review",
    "answer|the letter,{f}'s e-mail,the survey,the lawyer",
    "order|toner,paper,a new chair,the cake,spare parts,pizza",
    "cancel|the subscription,the meeting,the appointment,the order,the trip",
    "update|the website,the slides,the price list,the software,the calendar,the budget",
    "feed|the cat,the dog,the fish,the chickens,the baby",
    "lock|the door,the garage,the shed,the office",
    "print|the tickets,the handouts,the labels,the form",
    "charge|the camera,the phone,the laptop,the batteries",
    "pick up|the kids,the dry cleaning,{f} from the station,the parcel,the keys",
    "take out|the rubbish,the recycling",
    "back up|the server,the photos,the laptop,the database",
    "invite|the team,{f},the neighbours,the press",
    "prepare|dinner,the room,the demo,the interview,the budget meeting,a speech",
    "test|the backup,the new release,the alarm,the microphones",
    "return|the books,the shoes,{f}'s ladder,the rental car",
    "check|the tyres,the oil,the spelling,the stock,the mail,the smoke alarm",
    "cook|dinner,soup,rice,lunch for {f}",
    "walk|the dog", "mow|the lawn", "iron|the shirts", "do|the laundry,the dishes,the taxes",
    "sign|the lease,the form,the petition", "pack|the suitcase,lunch,the boxes,the tent",
    "find|a babysitter,a sponsor,the receipt", "translate|the manual,the letter",
    "schedule|a review,an interview with {f},the maintenance", "empty|the dishwasher,the bins",
    "repaint|the fence,the hall", "hang|the pictures,the curtains", "file|the receipts,the tax return",
)  # fmt: skip
_DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
_MEETING = (
    "in front of the {p}", "outside the {p}", "at the {p}", "behind the {p}", "by the {p}", "next to the {p}",
    "in the {p}", "opposite the {p}", "on the steps of the {p}",
)  # fmt: skip
_PLACES = (
    "station theatre library museum bakery bus stop main gate fountain lobby car park town hall "
    "bookshop café harbour swimming pool clock tower bridge reception"
)
_PLACE_LIST = tuple(
    re.findall(r"bus stop|main gate|car park|town hall|swimming pool|clock tower|\w+", _PLACES)
)

_GOOD = (
    "{n} loves {it}", "{It} is wonderful", "really happy with {it}", "{It} works perfectly",
    "best {o} I ever had", "what a great {o}", "{It} is a joy to use", "we enjoyed every minute",
    "highly recommended", "excellent!", "thank you, that was lovely", "the staff were so kind",
    "worth every penny", "{n} was delighted with {it}", "I would buy it again at once",
    "the food was delicious", "everything went smoothly", "so comfortable", "very friendly and quick",
    "a pleasant surprise", "I am impressed", "super fast delivery, well done", "{n} can't stop smiling",
    "beautiful work", "it made my day", "five stars", "brilliant", "couldn't be better",
    "good quality, fair price", "we hope to come back", "{It} looks gorgeous", "easy to use and sturdy",
    "the room was spotless", "such helpful people", "amazing", "thrilled about {it}", "perfect fit",
    "a bargain",
)  # fmt: skip
_BAD = (
    "I hate {it}", "{It} broke after a week", "really unhappy with {it}", "{It} does not work",
    "waste of money", "what a terrible {o}", "{It} arrived damaged", "we left early",
    "I will never go there again", "awful!", "nobody answered", "the staff were unfriendly",
    "far too expensive", "{n} was furious about {it}", "I want a refund", "I regret buying it",
    "the food was stale", "everything went wrong", "so uncomfortable", "rude and slow",
    "a bitter disappointment", "I am fed up", "still waiting for the delivery, what a mess",
    "poor quality", "{n} was in tears", "sloppy work", "it ruined my day", "one star", "useless",
    "couldn't be worse", "it stinks", "we will not come back", "{It} looks cheap",
    "hard to use and flimsy", "the room was dirty", "they ignored us", "horrible", "I'm annoyed",
    "does not fit", "a rip-off", "it stopped working on day two",
    "the heating was broken and nobody cared", "they lost my order twice",
)  # fmt: skip
_PLAIN = (
    "{It} came on {y}", "I ordered {it} last week", "{It} is blue", "the invoice is attached",
    "{n} picked up {it}", "it is a {o}", "{It} weighs two kilos", "the shop opens at nine",
    "neither good nor bad", "it is all right", "average", "we stayed for two nights",
    "{n} asked for the manual", "it is what I expected", "the parcel has a number",
    "{It} has four buttons", "the meeting is on {y}", "this is my second {o}", "okay, I suppose",
    "{It} was delivered to {n}", "no complaints, no praise", "it fits in a drawer",
    "the bus leaves from the square", "I have not used it yet", "so-so", "it works as described",
    "the colour is grey", "I bought it for {n}",
)  # fmt: skip
_SCALES: tuple[tuple[str, str, str | None], ...] = (
    ("positive", "negative", "neutral"), ("positive", "negative", "neutral"), ("positive", "negative", None),
    ("happy", "unhappy", None), ("good", "bad", "neutral"), ("satisfied", "dissatisfied", "neutral"),
    ("pos", "neg", "neu"), ("praise", "complaint", "other"), ("pleased", "angry", "indifferent"),
)  # fmt: skip
_OPINION = ["sentiment", "mood", "opinion", "tone", "rating", "feeling", "polarity", "attitude"]

_TALLIES = (
    ("points", "scores,points,score_by_name,results,players", " points"),
    ("votes", "votes,result,results,votes_by_name", " votes"),
    ("hours", "hours,hours_by_name,worked,shifts", " hours"),
    ("goals", "goals,scorers,tally", " goals"),
    ("visitors", "visitors,counts,numbers,totals", " visitors"),
    ("money", "debts,shares,amounts,donations,expenses,paid", ""),
    ("degrees", "temperatures,degrees,values", " degrees"),
    ("ages", "ages,age_by_name,years", " years"),
    ("count", "counts,numbers,values,by_name,totals", ""),
)


_COUNTED = (
    "{k}: {v}", "{k} {v}", "{k} ({v})", "{k} = {v}", "{k} {g} {v}{u}", "{v}{u} for {k}", "{k} {g} {v}{u}",
    "{k} - {v}", "{k} with {v}{u}",
)  # fmt: skip


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
_TOLD = (
    "call tell invite thank phone visit warn meet fetch pay bring give text notify greet join find hire book "
    "show congratulate follow page help drive introduce interview pick accompany welcome reward remember"
).split()
_TOLD_AT = (
    "wait for", "talk to", "listen to", "speak with", "vote for", "look after", "pick up", "message for",
    "letter to", "news from", "regards to", "parcel for", "greetings from", "note to", "lunch with",
    "gift for",
    "invoice to", "reply to", "let's call", "try to reach", "say sorry to", "have a word with", "check with",
)  # fmt: skip
_EVENTS = (
    (
        "meeting party concert lecture course exam class game match play show film workshop training "
        "interview "
        "ceremony dinner breakfast tour visit conference sale auction market rehearsal surgery service "
        "shift lesson "
        "check-up press conference webinar briefing hearing debate race parade picnic demo fair opening"
    )
    .replace("press conference ", "")
    .split()
)
_HEADS = (
    "budget plan rules report website contract project schedule strategy prices costs roof heating menu "
    "garden "
    "data security policy figures results exhibition programme campaign survey timetable trip holiday party "
    "software move building design logo newsletter parking traffic noise playground insurance salary "
    "training "
    "recruiting maintenance repairs equipment safety health education climate energy water history art music "
    "migration housing transport tourism taxes pensions elections holidays bees volcanoes robots bridges "
    "stars"
).split()
_OF = (
    "new", "annual", "next year's", "summer", "winter", "school", "office", "company", "local", "digital",
    "public", "internal", "online", "open", "old", "second", "final", "monthly", "renewable", "modern",
    "team", "customer", "product", "family", "Christmas", "city", "data", "marketing", "travel", "kitchen",
)  # fmt: skip
_TURNS = (
    "the future of", "changes to", "problems with", "the cost of", "the history of", "ideas for", "plans for",
    "the lack of", "how to improve", "a new approach to", "the role of", "progress on", "the delay of",
    "the end of", "better", "feedback on", "questions about", "the impact of", "the basics of",
    "life without",
)  # fmt: skip
_ENDS = (
    "for beginners", "in {c}", "for next year", "and {h}", "in the office", "for children", "at work",
    "in small firms", "after the move", "on the ground floor", "of the {h}", "since the war", "by bike",
)  # fmt: skip
_TAILS = (
    "again", "as usual", "last month", "this week", "for now", "next year", "I think", "as far as I know",
    "if that is all right", "after all", "this time", "last year", "a while ago", "by the way", "at last",
    "as agreed", "I'm afraid", "if possible", "of course", "for the time being", "until further notice",
    "right away", "any time", "since yesterday", "you know", "as always", "for sure", "last week",
)  # fmt: skip
_COMPOUNDS = (
    "gym club library season phone bus car house garden dentist doctor tax travel wedding birthday train "
    "flight "
    "school power gas internet newspaper magazine parking swimming storage health bank credit job visa"
).split()
_PAPERS = (
    "subscription contract appointment card pass account form insurance licence permit bill ticket list keys "
    "booking application deposit statement forms plan invitations course lessons"
).split()
_GOODS = (
    "milk eggs bread butter rice flour apples bananas tomatoes onions cheese pasta coffee tea sugar salt "
    "soap "
    "candles batteries napkins nails paint glue tape paper pens stamps flowers wine juice water crisps nuts"
).split()
_DID = (
    "has a new office", "read the proposal", "moved to the second floor", "opened the meeting",
    "is on holiday", "rang twice", "sent the figures", "has approved it", "wants to see you",
    "wrote the report", "was not amused", "leads the project", "thanked everyone", "is leaving us",
    "answers all questions", "speaks next", "has the keys",
)  # fmt: skip
_SAY = (
    "well done", "see you there", "many thanks", "well organised", "I will be late", "please confirm",
    "good to know", "all the best", "the coffee was cold", "looking forward to it",
)  # fmt: skip


class Everyday:
    """Draws sentences: the facts that they tell, and the text."""

    def __init__(self, words: Words, values: Values) -> None:
        self.words, self.values, self.chance = words, values, words.chance
        self._makers: dict[str, Callable[[], Value]] = {
            "n": self._person, "f": values.first, "c": values.city, "p": values.price, "q": values.small,
            "b": values.company, "r": self._role, "m": self._mail, "z": self._zip, "s": self._street,
            "h": self._phone, "t": self._time, "y": self._day, "k": self._code, "v": self._task,
            "w": self._meeting, "o": values.item, "T": self._topic,
            "P": self._people, "g": self._untitled, "L": self._goods,
        }  # fmt: skip

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
        facts: dict[str, Fact] = {}
        for part in asked.split(" "):
            name, _, keys = part.partition(":")
            value = said[name] if name in said else self._joined([said[one] for one in name.split("+")])
            facts[name] = Fact(value, list(dict.fromkeys(keys.split(","))), SCHEMAS[value.type])
        return facts, self._finished(text, said)

    def _finished(self, text: str, said: dict[str, Value]) -> str:
        """Return the sentence with a capital letter where no value begins it, and with its end."""
        chance = self.chance
        copied = tuple(value.said for value in said.values() if value.type != "integer")
        if not text.startswith(copied) and chance.random() < 0.9:
            text = text[0].upper() + text[1:]
        if text.endswith((".", "?", "!")):
            return text
        if chance.random() < 0.1:
            text = f"{text}{chance.choice((' ', ', '))}{chance.choice(_TAILS)}"
        return text + chance.choice((".", ".", ".", ".", "!", "", "", " please.", ", thanks."))

    def _filled(self, slot: str, said: dict[str, Value]) -> str:
        chance = self.chance
        words = {"did": _DID, "x": _EVENTS, "his": ("his", "her", "their"), "new ": ("new ", "", "")}
        if slot in words:
            return chance.choice(words[slot])
        if slot == "say":
            return self._aside()
        if slot == "imp":
            verbs = _TOLD if chance.random() < 0.5 else _TOLD_AT
            return chance.choice(verbs) if chance.random() < 0.8 else self.words.made_up()
        if slot == "X":
            titled = said["X"] = self._text(chance.choice(lexicon.TITLES), "item")
            return titled.said
        if slot == "zip ":
            return chance.choice(("", "ZIP ", "postal code ", "postcode ", "zip code "))
        if slot[0] == "V":
            form, slot = slot[1:], "V"
            value = said["V"] = self._tasks(form)
            return value.said
        article = slot.startswith("a ")
        slot = slot.removeprefix("a ")
        value = said[slot] = self._makers[slot.rstrip("23")]()
        if article:
            return f"{'an' if value.said[0] in 'aeiou' else 'a'} {value.said}"
        return value.said

    def _opinion(self) -> tuple[dict[str, Fact], str]:
        """Return a remark or two, and whether somebody is pleased."""
        chance = self.chance
        good, bad, plain = chance.choice(_SCALES)
        choices = [(good, _GOOD), (bad, _BAD)] + ([(plain, _PLAIN)] if plain else [])
        answer, bank = chance.choice(choices)
        thing, name = self.values.item(), self.values.first()
        it = f"{chance.choice(('the', 'this', 'my', 'our'))} {thing.said}"
        how = (_GOOD, _BAD, _PLAIN).index(bank)

        def remark(how: int) -> str:
            bank = (_GOOD, _BAD, _PLAIN)[how]
            form = chance.choice(bank) if chance.random() < 0.25 else judged(chance, how)
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
        facts = {
            "opinion": Fact(
                Value("", answer, "string", "enum"), _OPINION, {"type": "string", "enum": options}
            )
        }
        if thing.said in text and chance.random() < 0.5:
            facts["o"] = Fact(thing, ["product", "item", "thing", "about"], SCHEMAS["string"])
        if name.said in text and chance.random() < 0.7:
            facts["n"] = Fact(name, ["name", "person", "customer"], SCHEMAS["string"])
        return facts, text

    def _put(self, form: str, it: str, thing: str, name: str) -> str:
        """Return a remark with its slots filled."""
        day, count = self.chance.choice(_DAYS), self.values.small().said
        return form.format(
            it=it, It=it, o=thing, n=name, y=day, c=self.words.city(), q=count, b=self.words.company()
        )

    def _aside(self) -> str:
        """Return something that nobody asks for, with a mark behind it."""
        chance, mark = self.chance, self.chance.choice((" -", ".", "!", ",", "."))
        if chance.random() < 0.3:
            return chance.choice(_SAY) + mark
        thing = self.words.item()
        text = self._put(judged(chance, chance.randrange(3)), f"the {thing}", thing, self.words.first_name())
        if chance.random() < 0.3:
            how = chance.choice(("good", "great", "short", "long", "fine", "hm"))
            text = f"{how} {chance.choice(PARTS)}, but {text}"
        return text + mark

    def _message(self) -> tuple[dict[str, Fact], str]:
        """Return a message, and its kind among several."""
        keys, kinds, kind, form = message(self.chance)
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
        names = chance.choice(
            (self.words.first_name, self.words.first_name, self.words.city, self.words.item)
        )
        what, keys, unit = chance.choice(_TALLIES)
        many = names == self.words.item
        money = what == "money"
        found: dict[str, object] = {}
        parts: list[str] = []
        form = chance.choice(_COUNTED)
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
        lead = chance.choice(("", "", "{k}: ", "The {k}: ", "we counted ", "here are the {k}: ", "so far ",
                              "it says ", "{k} on {y} - ", "I noted ", "today: "))  # fmt: skip
        text = lead.format(k=chance.choice(key_words), y=chance.choice(_DAYS)) + text
        if lead or many:
            text = text[0].upper() + text[1:] if lead or text[0].isdigit() else text
        value = Value("", found, "tally", "list")
        inner = {"type": "number"} if money else {"type": "integer"}
        schema = {"type": "object", "additionalProperties": inner}
        return {"tally": Fact(value, key_words, schema)}, text + chance.choice((".", ".", "", "!"))

    # --- values ---------------------------------------------------------------------------------------------

    def _text(self, text: str, kind: str, schema: str = "string") -> Value:
        return Value(text, text, schema, kind)

    def _role(self) -> Value:
        chance = self.chance
        draw = chance.random()
        if draw > 0.9:
            return self._long_role()
        draw /= 0.9
        field = chance.choice(_FIELDS) if chance.random() < 0.85 else self.words.made_up()
        area = chance.choice(_AREAS) if chance.random() < 0.5 else field
        if draw < 0.22:
            first = chance.choice(("head", "director", "vice president", "manager", "chief", "secretary"))
            return self._text(f"{first} of {area}", "item")
        if draw < 0.3:
            first = chance.choice(("assistant", "adviser", "secretary", "deputy", "personal assistant"))
            return self._text(f"{first} to the {chance.choice(_BOSSES)}", "item")
        if draw < 0.55:
            level = f"{chance.choice(_LEVELS)} " if chance.random() < 0.6 else ""
            return self._text(f"{level}{field} {chance.choice(_JOBS)}", "item")
        if draw < 0.7:
            level = f"{chance.choice(_LEVELS)} " if chance.random() < 0.35 else ""
            return self._text(f"{level}{chance.choice(_TRADES)}", "item")
        if draw < 0.78:
            group = chance.choice(("team", "project", "group", "shift"))
            return self._text(
                f"{group} {chance.choice(('lead', 'leader', 'manager', 'coordinator'))}", "item"
            )
        if draw < 0.86:
            first = chance.choice(("chief", "data", "press", "safety"))
            return self._text(f"{first} {field} officer", "item")
        return self._text(f"{chance.choice(_LEVELS)} {chance.choice(lexicon.JOBS)}", "item")

    def _long_role(self) -> Value:
        chance = self.chance
        area = chance.choice(_AREAS) if chance.random() < 0.5 else chance.choice(_FIELDS)
        first = chance.choice(("head", "director", "deputy head", "chief", "secretary", "manager", "member"))
        levels = " ".join(chance.sample(_LEVELS, chance.choice((0, 1, 1, 2))))
        kind = chance.choice(("", chance.choice(_FIELDS), self.words.made_up(), "project", "team", "night"))
        job = chance.choice(_JOBS) if chance.random() < 0.6 else chance.choice(lexicon.JOBS)
        end = chance.choice(
            ("", "", f" to the {chance.choice(_BOSSES)}", f" for {area}", f" of {area}", f" in {area}")
        )
        if chance.random() < 0.3:
            job, kind, end = (
                first,
                "",
                f" of {area}{chance.choice(('', f' to the {chance.choice(_BOSSES)}'))}",
            )
        return self._text(" ".join(f"{levels} {kind} {job}{end}".split()), "item")

    def _mail(self) -> Value:
        chance = self.chance
        first, last = self.words.first_name().lower(), self.words.full_name().split()[-1].lower()
        first, last = (re.sub(r"[^a-z]", "", one) or "info" for one in (first, last))
        local = chance.choice(
            (f"{first}.{last}", first, f"{first[0]}.{last}", f"{first}_{last[0]}", f"{first}{last}", last,
             f"{first}{chance.randint(1, 99)}", "info", "office", "hello", "orders", "jobs", "team",
             "contact", f"{first}.{last[0]}", f"{first[0]}{last}", f"{last}-{first}", chance.choice(_FIELDS))
        )  # fmt: skip
        domain = chance.choice(_DOMAINS) if chance.random() < 0.6 else self.words.made_up().lower()
        domain = re.sub(r"[^a-z-]", "", domain) or "mail"
        if chance.random() < 0.25:
            domain += chance.choice(("-", ".", "")) + chance.choice(_DOMAINS)
        mail = f"{local}@{domain}.{chance.choice(_ENDINGS)}"
        return self._text(mail, "item", chance.choice(("email", "string")))

    def _zip(self) -> Value:
        chance = self.chance

        def digits(count: int) -> str:
            return "".join(chance.choices(string.digits, k=count))

        def letters(count: int) -> str:
            return "".join(chance.choices(string.ascii_uppercase, k=count))

        form = chance.choice(("5", "5", "5", "4", "4", "6", "uk", "uk", "nl", "se", "zip4", "ca", "pl"))
        if form == "uk":
            text = (
                f"{letters(chance.choice((1, 2)))}{chance.randint(1, 29)} {chance.randint(1, 9)}{letters(2)}"
            )
        elif form == "nl":
            text = f"{chance.randint(1000, 9999)} {letters(2)}"
        elif form == "se":
            text = f"{chance.randint(100, 999)} {digits(2)}"
        elif form == "zip4":
            text = f"{digits(5)}-{digits(4)}"
        elif form == "ca":
            text = f"{letters(1)}{digits(1)}{letters(1)} {digits(1)}{letters(1)}{digits(1)}"
        elif form == "pl":
            text = f"{digits(2)}-{digits(3)}"
        else:
            text = digits(int(form))
        return self._text(text, "item")

    def _street(self) -> Value:
        chance = self.chance
        number = f"{chance.randint(1, 199)}{chance.choice(('', '', '', '', 'a', 'b'))}"
        if chance.random() < 0.3:
            name = self.words.made_up().capitalize()
            return self._text(chance.choice(_FOREIGN).format(x=name, X=name, n=number), "item")
        name = chance.choice(_STREETS) if chance.random() < 0.6 else self.words.made_up().capitalize()
        return self._text(f"{number} {name} {chance.choice(_ROADS)}", "item")

    def _phone(self) -> Value:
        chance = self.chance
        groups = [
            "".join(chance.choices(string.digits, k=chance.randint(2, 4)))
            for _ in range(chance.randint(2, 4))
        ]
        lead = chance.choice((f"+{chance.randint(1, 99)} ", "0", f"({chance.randint(20, 999)}) ", ""))
        return self._text(lead + chance.choice((" ", "-", " ")).join(groups), "item")

    def _time(self) -> Value:
        chance = self.chance
        hour, minute = (
            chance.randint(1, 12),
            chance.choice((0, 5, 10, 12, 15, 20, 25, 30, 37, 40, 45, 50, 55)),
        )
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
            half = chance.choice((" am", " pm", "am", "pm", " a.m.", " p.m.", " AM", " PM"))
            minute = 0 if chance.random() < 0.5 else minute
            text = f"{hour}:{minute:02d}{half}" if minute or chance.random() < 0.15 else f"{hour}{half}"
            hour = hour % 12 + (12 if half.strip()[0] in "pP" else 0)
        elif draw < 0.92:
            before, minute = chance.choice((
                ("half past", 30), ("quarter past", 15), ("quarter to", -15), ("ten past", 10),
                ("five to", -5), ("a quarter past", 15), ("twenty to", -20), ("five past", 5),
            ))  # fmt: skip
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
        return self._text(text, "item")

    def _topic(self) -> Value:
        chance = self.chance
        head = chance.choice(_HEADS) if chance.random() < 0.85 else self.words.made_up()
        text = f"{chance.choice(_OF)} {head}" if chance.random() < 0.6 else head
        draw = chance.random()
        if draw < 0.3:
            text = f"{chance.choice(_TURNS)} {text}"
        elif draw < 0.55:
            text = f"{text} {chance.choice(_ENDS)}".format(c=self.words.city(), h=chance.choice(_HEADS))
        if draw > 0.4 and chance.random() < 0.5:
            text = f"{chance.choice(('the', 'the', 'our', 'my', 'your'))} {text}"
        return self._text(text, "item")

    def _untitled(self) -> Value:
        name = self.words.proper(lexicon.LAST_NAMES) if self.chance.random() < 0.5 else self.words.full_name()
        return self._text(name, "name")

    def _person(self) -> Value:
        """A name, now and then said with a title that is no part of the value."""
        if self.chance.random() > 0.1:
            return self.values.person()
        name = str(self._untitled().value)
        return Value(f"{self.chance.choice(lexicon.TITLES)} {name}", name, "string", "name")

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
            goods = chance.choice(_GOODS) if chance.random() < 0.8 else self.words.item(plural=True)
            draw = chance.random()
            if draw < 0.2:
                measure = (
                    f"{chance.choice(('a', 'a', 'one', 'two', 'a big'))} {chance.choice(lexicon.CONTAINERS)}"
                )
                return f"{measure} of {goods}"
            if draw < 0.28:
                return f"{chance.choice(('some', 'more', 'fresh', 'green', 'cheap'))} {goods}"
            return goods

        things = list(dict.fromkeys(thing() for _ in range(chance.choice((1, 2, 3, 3, 3, 4)))))
        return self.values.listed(things)

    def _day(self) -> Value:
        return self._text(self.chance.choice(_DAYS), "item")

    def _code(self) -> Value:
        if self.chance.random() < 0.5:
            return self._text(
                "".join(self.chance.choices(string.digits, k=self.chance.randint(4, 8))), "item"
            )
        return self.values.code()

    def _meeting(self) -> Value:
        chance = self.chance
        return self._text(chance.choice(_MEETING).format(p=chance.choice(_PLACE_LIST)), "item")

    def _task(self) -> Value:
        chance = self.chance
        verb, _, objects = chance.choice(_VERBS).partition("|")
        thing = chance.choice(objects.split(","))
        if chance.random() < 0.25:
            thing = f"{chance.choice(('the', 'a', 'my', 'some'))} {self.words.item()}"
        elif chance.random() < 0.15:
            own = chance.choice(("the", "my", "our", "the", "", "{f}'s", "the kids'"))
            thing = f"{own} {chance.choice(_COMPOUNDS)} {chance.choice(_PAPERS)}".strip()
        return self._text(f"{verb} {thing}".format(f=self.words.first_name()), "item")

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

    @staticmethod
    def _joined(parts: list[Value]) -> Value:
        """Return one list of values that are said apart."""
        return Value("", list(dict.fromkeys(str(part.value) for part in parts)), "strings", "list")


def sample(count: int, seed: int = 0) -> list[str]:
    """Return some sentences, to read."""
    words = Words(random.Random(seed))
    source = Everyday(words, Values(words))
    return [source.draw()[1] for _ in range(count)]
