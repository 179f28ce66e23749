"""Everyday sentences: roles of several words, addresses, e-mail, times, to-do lists, and whether people are
pleased.

The frames are those of plain.py with slots of their own: `r` a role, `m` an e-mail address, `z` a postal
code, `s` a street, `h` a telephone number, `t` a time, `y` a weekday, `k` a code, `v` a task, `V` a list of
tasks, `w` a meeting point, `o` a thing. A schema asks for some of the slots, so that several strings of
one text have to be told apart by the words of their keys. No frame has the form of an examination's sentence.
"""

from __future__ import annotations

import random
import re
import string
from collections.abc import Callable

from data import words as lexicon
from data.values import SCHEMAS, Fact, Value, Values, spelled
from data.words import Words

_ROLE = "role,job_title,position,title,job,occupation,function,profession"
_MAIL = "email,e_mail,mail,email_address,contact_email,address"
_ZIP = "postal_code,zip,zip_code,postcode,postalCode,plz"
_STREET = "street,address,street_address,street_and_number"
_PHONE = "phone,telephone,phone_number,mobile,tel"
_TODO = "todo,tasks,todos,to_do,reminders,action_items,steps,things_to_do,chores,open_tasks"
_TIME = "time,at,appointment,start,start_time,when"
_NAME = "name,person,contact,full_name"

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

FRAMES: tuple[tuple[str, str], ...] = (
    # roles
    ("may I introduce {n}, our {new }{r}", f"n:{_NAME} r:{_ROLE}"),
    ("{n}, {r}, {did}", f"n:{_NAME},speaker r:{_ROLE}"),
    ("{n}, {r} at {b}, {did}", f"n:{_NAME} r:{_ROLE} b:company,employer,firm"),
    ("the {r}, {n}, {did}", f"r:{_ROLE} n:{_NAME}"),
    ("{n} - {r} - {did}", f"n:{_NAME} r:{_ROLE}"),
    ("{n} ({r}) {did}", f"n:{_NAME} r:{_ROLE}"),
    ("{n} starts on {y} as {r}", f"y:day,from,start_day n:{_NAME} r:{_ROLE},new_role"),
    ("they made {n} {r}", f"n:{_NAME} r:{_ROLE},new_role"),
    ("once {a r}, {n} is {r2} today", f"n:{_NAME} r:old_role,former_role r2:{_ROLE},current_role,new_role"),
    ("{n} takes over from {f} as {r}", f"n:{_NAME},successor f:predecessor r:{_ROLE}"),
    ("with {f} gone, {n} is now {r}", f"f:absent,away n:{_NAME},stand_in r:{_ROLE}"),
    ("wanted in {c}: {a r}", f"r:{_ROLE} c:city,location,place"),
    ("vacancy: {r}, {c}, {p} a year", f"r:{_ROLE} c:city,location p:salary,pay"),
    ("the {r} goes by the name of {n}", f"r:{_ROLE} n:{_NAME}"),
    ("upstairs lives {a r}, {n}", f"r:{_ROLE} n:{_NAME},tenant"),
    ("{n} is {a r} from {c}", f"n:{_NAME} r:{_ROLE} c:city,home_town"),
    ("{n} works in {c} as {a r}", f"n:{_NAME} c:city r:{_ROLE}"),
    ("kind regards, {n}, {r}", f"n:{_NAME},sender r:{_ROLE}"),
    ("{say} - {n}, {r}", f"n:{_NAME},author r:{_ROLE}"),
    (
        "message from {n}, {r}, {m}: the {o} is late",
        f"n:{_NAME},caller r:{_ROLE} m:{_MAIL} o:about,subject,topic",
    ),
    ("questions? {n}, {r}, {m}", f"r:{_ROLE} n:{_NAME} m:{_MAIL}"),
    ("a copy for {n}, {r}, {b}", f"n:{_NAME},recipient r:{_ROLE} b:company,employer"),
    ("{n} {r} {b}", f"n:{_NAME} r:{_ROLE} b:company,employer"),
    # addresses
    ("the house is at {s}, {c} {z}", f"s:{_STREET} c:city,town z:{_ZIP}"),
    ("for {n}, {s}, {z} {c}", f"n:{_NAME},recipient s:{_STREET} z:{_ZIP} c:city,town"),
    ("{n} rents a room at {s}, {z} {c}", f"n:{_NAME} s:{_STREET} z:{_ZIP} c:city"),
    ("{m} is the best way to get hold of us; the shop is in {c}", f"m:{_MAIL} c:city,shop"),
    ("newsletter, please: {n}, {m}, {zip }{z}", f"n:{_NAME} m:{_MAIL} z:{_ZIP}"),
    ("use {m}, nobody reads {m2}", f"m:{_MAIL},invoice_to m2:wrong_email,not_to"),
    ("since May we are in {z} {c}", f"z:{_ZIP} c:city,town"),
    ("in {c} it is {zip }{z}", f"z:{_ZIP} c:city,town"),
    ("should the box for {z} {c} get lost, {n} ({m}) knows", f"n:{_NAME} m:{_MAIL} z:{_ZIP} c:city"),
    ("{n} <{m}> joined the list, tel. {h}", f"n:{_NAME} m:{_MAIL} h:{_PHONE}"),
    ("{n}'s number is {h}, {his} e-mail {m}", f"n:{_NAME} h:{_PHONE} m:{_MAIL}"),
    ("call {n} on {h} before {t}", f"n:{_NAME} h:{_PHONE} t:{_TIME},before,until"),
    ("{n}, {s}, {c}, {z}, {m}", f"n:{_NAME} s:{_STREET} c:city z:{_ZIP} m:{_MAIL}"),
    (
        "at {s}, {z}, they want {q} {o}s at {t}",
        f"q:quantity,count o:item,product s:{_STREET} z:{_ZIP} t:{_TIME},by",
    ),
    ("mail {m} for tickets, {h} for anything else", f"m:{_MAIL} h:{_PHONE}"),
    (
        "{n} moved from {z} {c} to {z2} {c2}",
        f"n:{_NAME} z:old_zip,from_zip c:from,old_city z2:{_ZIP},new_zip c2:to,city,new_city",
    ),
    ("deliver to {s} in {c}, ring {h}", f"s:{_STREET} c:city h:{_PHONE}"),
    ("I live in {c}, {z}, {s}", f"c:city,town z:{_ZIP} s:{_STREET}"),
    ("our {r} answers at {m}", f"r:{_ROLE} m:{_MAIL}"),
    # to do
    ("I mean to {V} by {y}", f"V:{_TODO} y:deadline,day,before"),
    ("list: {V:}", f"V:{_TODO}"),
    ("{n} has to {V}", f"n:{_NAME},assignee V:{_TODO}"),
    ("tell {n} to {Vto}", f"n:{_NAME},assignee V:{_TODO}"),
    ("for today: {V:}", f"V:{_TODO}"),
    ("I really should {V}", f"V:{_TODO}"),
    ("make sure to {Vto}", f"V:{_TODO}"),
    ("{n} wants me to {V}", f"V:{_TODO} n:{_NAME},speaker"),
    ("{v}, and after that {v2}", f"v+v2:{_TODO},steps"),
    ("{v}; next {v2}; finally {v3}", f"v+v2+v3:{_TODO},steps"),
    ("would you {V}?", f"V:{_TODO}"),
    ("please {V} until {y}", f"V:{_TODO} y:deadline,day,until"),
    ("{n} promised to {V} by {t}", f"n:{_NAME} V:{_TODO},promised t:deadline,by,{_TIME}"),
    ("agreed at the meeting: {V:}", f"V:{_TODO}"),
    ("not done yet: {V:}", f"V:{_TODO}"),
    ("done: {v}; open: {V:}", f"v:done,finished V:{_TODO},open"),
    (
        "{n} will {v}, {f} will {v2}",
        "n:first_person,first_name v:first_task f:second_person,second_name v2:second_task",
    ),
    ("on {y} we must {V}", f"y:day V:{_TODO}"),
    ("{n} forgot to {v}", f"n:{_NAME} v:forgot,task,forgotten"),
    ("{v} at {t}, please", f"v:task,reminder,what t:{_TIME}"),
    ("my plan for {y}: {V:}", f"y:day V:{_TODO},plan"),
    # times
    ("your appointment with {n}: {y}, {t}", f"n:{_NAME},doctor t:{_TIME} y:day,weekday"),
    ("I will be there at {t}, {w}", f"t:{_TIME} w:place,where,meeting_point"),
    ("wait for me {w} at {t}", f"w:place,where,meeting_point t:{_TIME}"),
    ("the {o} counter: {t} to {t2}", "o:sells,goods t:opens,from,opening_time t2:closes,to,closing_time"),
    ("on {y} we serve from {t} until {t2}", "t:opens,from t2:closes,until y:day"),
    ("coffee with {n}, {t}", f"n:{_NAME},guest t:{_TIME}"),
    ("dep. {c} {t}, arr. {c2} {t2}", "c:origin,from c2:destination,to t:departure,leaves t2:arrival,arrives"),
    (
        "flight {k} to {c} departs at {t}",
        "k:flight,code,flight_number c:destination,to t:departure,departs,time",
    ),
    ("the review is no longer at {t} but at {t2}", "t:old_time,before t2:new_time,now"),
    ("set the alarm for {t}", f"t:alarm,{_TIME}"),
    ("{n} gets up at {t}", f"n:{_NAME} t:alarm,{_TIME}"),
    ("admission from {t}, first song at {t2}", "t:admission,doors,doors_open t2:start,show,begins"),
    ("{y}, {t}: {o} course, {n} teaches", f"o:class,course y:day,weekday t:{_TIME} n:teacher,{_NAME}"),
    ("{b} will ring at {t}", f"b:company,with t:{_TIME}"),
    ("we will be {q}, the name is {n}, {t}", f"q:guests,people,persons t:{_TIME} n:{_NAME}"),
    ("a booking for {q}, {n}, around {t}", f"n:{_NAME} q:guests,people t:{_TIME}"),
    ("use {k} before {t}", "k:code,pin t:valid_until,before,until,expires"),
    ("{n} arrives on {y} at {t}", f"n:{_NAME},visitor y:day,arrival_day t:arrival,{_TIME}"),
    ("it starts at {t}, not at {t2}", f"t:{_TIME} t2:wrong_time,not_at"),
    ("from {t} to {t2} {n} is in {c}", f"t:from,start t2:to,end n:{_NAME} c:city"),
    ("{y} {t}: {v}", f"y:day t:{_TIME} v:task,what,entry"),
    ("be there by {t} or we leave without you", f"t:deadline,by,{_TIME}"),
    ("the bus at {t} is full, take the one at {t2}", "t:full_bus,full t2:next_bus,take"),
)
_SLOT = re.compile(r"\{([^{}]+)\}")
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
            "n": values.person, "f": values.first, "c": values.city, "p": values.price, "q": values.small,
            "b": values.company, "r": self._role, "m": self._mail, "z": self._zip, "s": self._street,
            "h": self._phone, "t": self._time, "y": self._day, "k": self._code, "v": self._task,
            "w": self._meeting, "o": values.item,
        }  # fmt: skip

    def draw(self) -> tuple[dict[str, Fact], str]:
        """Return the facts by name, and the sentence."""
        if self.chance.random() < 0.22:
            return self._opinion()
        frame, asked = self.chance.choice(FRAMES)
        said: dict[str, Value] = {}
        text = _SLOT.sub(lambda match: self._filled(match[1], said), frame)
        facts: dict[str, Fact] = {}
        for part in asked.split(" "):
            name, _, keys = part.partition(":")
            value = said[name] if name in said else self._joined([said[one] for one in name.split("+")])
            facts[name] = Fact(value, list(dict.fromkeys(keys.split(","))), SCHEMAS[value.type])
        return facts, self._finished(text, said)

    def _finished(self, text: str, said: dict[str, Value]) -> str:
        """Return the sentence with a capital letter where no value begins it, and with its end."""
        chance = self.chance
        if not text.startswith(tuple(value.said for value in said.values())) and chance.random() < 0.9:
            text = text[0].upper() + text[1:]
        if text.endswith((".", "?", "!")):
            return text
        return text + chance.choice((".", ".", ".", ".", "!", "", "", " please.", ", thanks."))

    def _filled(self, slot: str, said: dict[str, Value]) -> str:
        chance = self.chance
        words = {"did": _DID, "say": _SAY, "his": ("his", "her", "their"), "new ": ("new ", "", "")}
        if slot in words:
            return chance.choice(words[slot])
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
        parts = [
            one.format(it=it, It=it, o=thing.said, n=name.said, y=chance.choice(_DAYS))
            for one in chance.sample(bank, chance.choice((1, 1, 2, 2, 3)))
        ]
        if bank is not _PLAIN and chance.random() < 0.25:
            parts.insert(0, chance.choice(_PLAIN).format(it=it, It=it, o=thing.said, n=name.said, y="Friday"))
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

    # --- values ---------------------------------------------------------------------------------------------

    def _text(self, text: str, kind: str, schema: str = "string") -> Value:
        return Value(text, text, schema, kind)

    def _role(self) -> Value:
        chance = self.chance
        draw = chance.random()
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
        draw = chance.random()
        if draw < 0.45:
            text = f"{chance.randint(0, 23)}:{minute:02d}"
        elif draw < 0.55:
            text = f"{chance.randint(0, 23):02d}:{minute:02d}"
        elif draw < 0.85:
            half = chance.choice((" am", " pm", "am", "pm", " a.m.", " p.m.", " AM", " PM"))
            text = f"{hour}{half}" if chance.random() < 0.5 else f"{hour}:{minute:02d}{half}"
        elif draw < 0.92:
            before = chance.choice(("half past", "quarter past", "quarter to", "ten past", "five to"))
            text = f"{before} {spelled(hour)}"
        elif draw < 0.96:
            text = chance.choice(("noon", "midnight", "midday"))
        else:
            text = f"{spelled(hour)} o'clock"
        return self._text(text, "item")

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
