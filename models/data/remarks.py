"""Remarks: whether somebody is pleased, put together from parts of sentences; and short messages of one kind
among several, such as a question or a complaint.

A remark names a part of a thing and judges it with an adjective or an event, so that what is learned is the
words that judge. No remark is one of the examination's.
"""

from __future__ import annotations

import random

_PARTS = (
    "screen strap food service driver guide view bed lid sound picture colour taste coffee app update "
    "website "
    "manual packaging seat engine handle sole heating shower wifi pool beach pillow crust sauce price "
    "hotline "
    "delivery support crew teacher plot ending acting music queue breakfast room flat garden kitchen "
    "bathroom "
    "lift terrace menu dessert steak fish bread tea wine beer table chair music band show play film book "
    "chapter lesson course trainer doctor nurse receptionist mechanic repair haircut massage tour museum "
    "hike "
    "trip flight train bus cabin luggage camera keyboard charger cable printer phone case microphone speaker "
    "mattress blanket pan knife kettle toaster fridge washing machine vacuum cleaner lamp sofa shelf jacket "
    "coat sweater shoes boots dress shirt trousers gloves toy puzzle game bike helmet tent backpack"
).replace("washing machine vacuum cleaner", "")
PARTS = tuple(dict.fromkeys((*_PARTS.split(), "washing machine", "vacuum cleaner", "customer service")))
_GOOD = (
    "superb", "fabulous", "splendid", "charming", "delightful", "tasty", "fresh", "cosy", "bright", "clean",
    "fast", "reliable", "solid", "well made", "very good", "really nice", "lovely", "fantastic", "terrific",
    "first class", "flawless", "fun", "exciting", "relaxing", "polite", "attentive", "patient", "competent",
    "quick", "generous", "warm and welcoming", "smooth", "light and handy", "stylish", "elegant", "crisp",
    "punctual", "spacious", "a dream", "a hit", "a delight", "a treat", "my favourite", "top",
    "outstanding", "magnificent", "pretty good", "better than expected", "just right", "a great help",
    "worth it", "heavenly", "spot on", "incredible", "marvellous", "inspiring", "sturdy", "soft", "safe",
)  # fmt: skip
_BAD = (
    "dreadful", "disgusting", "dirty", "noisy", "slow", "late", "rude", "broken", "tasteless", "burnt",
    "mouldy", "sticky", "cramped", "too small", "too expensive", "overpriced", "unreliable", "boring", "dull",
    "confusing", "unsafe", "damp", "smelly", "scratched", "dented", "torn", "a joke", "a shame", "a disgrace",
    "a disaster", "a nightmare", "very bad", "really poor", "pathetic", "careless", "arrogant", "incompetent",
    "impolite", "unhelpful", "lukewarm", "greasy", "bland", "dry", "too loud", "too salty", "far too long",
    "missing", "faulty", "defective", "not as described", "a letdown", "the wrong size", "a mess", "filthy",
    "worse than expected", "not worth it", "disappointing", "annoying", "painful", "ugly", "shabby", "weak",
    "a total failure", "unacceptable", "wrong", "fake", "rusty", "full of bugs", "unusable", "cold and hard",
)  # fmt: skip
_FLAT = (
    "grey", "made of wood", "two metres long", "in the box", "on the second floor", "new", "blue and white",
    "five years old", "from {c}", "next to the station", "medium-sized", "average", "ordinary", "standard",
    "in the attachment", "included", "made in {c}", "for {n}", "as usual", "the same as last year", "fair",
    "acceptable", "as on the photo", "unchanged", "rectangular", "in stock", "here", "on the left", "so-so",
    "neither big nor small", "not bad, not good", "what you would think", "available in three colours",
)  # fmt: skip
_GOOD_EVENTS = (
    "works like a charm", "exceeded my hopes", "runs without a hitch", "came earlier than promised",
    "made us laugh", "lasts for ever", "keeps its promise", "saves me a lot of time", "helped us a lot",
    "looks even better than on the photo", "was repaired for free", "deserves an award", "won us over",
    "fits like a glove", "smells divine", "came in perfect shape", "never lets me down", "is a pleasure",
    "solved my problem in minutes", "still looks like new", "answered all our questions",
)  # fmt: skip
_BAD_EVENTS = (
    "cracked", "fell off", "came loose", "leaks", "rattles", "gave up", "burned out", "went dead", "jammed",
    "tore", "faded", "peeled", "shrank", "crashes", "overheats", "stinks", "squeaks", "drips", "failed",
    "keeps freezing", "never came", "did not turn up", "made me ill", "let us down", "cheated us",
    "shouted at us", "kept us waiting", "got lost", "was cancelled without a word", "came without a lid",
    "spoiled our holiday", "does not charge", "won't start", "has a hole", "lost my data", "charged me twice",
    "makes a terrible noise", "gives me a headache", "refused to help", "forgot us",
)  # fmt: skip
_WHENS = (
    "", "", "", " after {q} days", " within a week", " on the first evening", " almost at once", " again",
    " after an hour", " on the way home", " twice", " in less than a month", " every time",
)  # fmt: skip
_FLAT_EVENTS = (
    "was handed over on {y}", "came by post", "came with a cable", "has {q} buttons", "ships from {c}",
    "opens at nine", "costs as much as last year", "is on the shelf", "went to {n}", "was sent to {c}",
    "is used in the kitchen", "has a serial number", "belongs to {n}", "takes two batteries", "lasts an hour",
    "arrived by courier", "was collected by {n}", "starts on {y}", "is checked once a year", "has two doors",
    "was ordered in {c}", "weighs a kilo", "comes in three sizes", "is booked for {y}", "does its job",
    "can be picked up on {y}", "was moved to {y}", "was delivered this morning",
)  # fmt: skip
_GOOD_FEELINGS = (
    "{n} adores {it}", "{n} is crazy about {it}", "{n} raves about {it}", "{n} recommends {it} to everyone",
    "{n} is very pleased", "{n} is over the moon", "{n} liked {it} a lot", "{n} had a great time",
    "I am so glad I bought {it}", "we are really satisfied with {it}", "I'm in love with {it}",
    "I can only recommend {it}", "we had a lot of fun", "I like {it} very much", "cheers, you saved the day",
    "keep it up", "what a lovely evening", "I'd give {it} six stars if I could", "good job", "nice work",
    "congratulations on {it}", "we felt at home", "I look forward to the next time", "so happy", "wow",
    "I feel great today", "today was a good day", "my new {o} makes me happy", "no regrets at all",
)  # fmt: skip
_BAD_FEELINGS = (
    "{n} dislikes {it}", "{n} is tired of {it}", "{n} is angry about {it}", "{n} complained about {it}",
    "{n} is very upset", "{n} sent {it} back", "{n} had a miserable time", "I wish I had not bought {it}",
    "we are not satisfied with {it}", "I can't stand {it}", "stay away from {it}", "don't buy {it}",
    "I feel cheated", "what a lousy evening", "I want my money back", "this is a scandal", "shame on you",
    "I have had enough", "we were bored to death", "not what I paid for", "I'm sick of {it}", "so sad",
    "I feel awful today", "today was a bad day", "my new {o} drives me mad", "I'll tell everyone to avoid it",
    "I have waited {q} weeks and nothing happened", "nobody helped us", "never in my life again", "yuck",
    "it was a mistake to buy {it}", "save your money", "we deserve an apology", "not even worth one star",
)  # fmt: skip
_FLAT_FEELINGS = (
    "{n} has {it}", "{n} asked about {it}", "{n} wants to know the price of {it}", "I have {it} at home",
    "we bought {it} in {c}", "I use {it} on {y}s", "I have no opinion on {it}", "it could be better or worse",
    "please send me the manual of {it}", "we will see", "the meeting about {it} is on {y}", "fair enough",
    "I was there on {y}", "{n} will look at {it} on {y}", "middling", "some like {it}, others don't",
    "we sat at a table by the window", "I don't mind {it}", "the invoice for {it} is in the mail", "passable",
    "nothing to add", "can't say much about {it} yet", "it is like any other {o}", "I paid by card",
)  # fmt: skip

_KINDS: tuple[tuple[tuple[str, ...], dict[str, tuple[str, ...]]], ...] = (
    (
        ("intent", "kind", "category", "type", "message_type"),
        {
            "question": (
                "when do you open on {y}?", "is {it} still available?", "how much is {it}?", "why is it so?",
                "can I bring my dog?", "where can I park in {c}?", "do you ship to {c}?", "what is new?",
                "which {o} would you choose?", "who is in charge of {it}?", "does {it} come in red?",
            ),
            "order": (
                "I'd like {q} {o}s", "please send me {it}", "I want to buy {it}", "{q} of them for {n}",
                "put me down for {q} {o}s", "we order {q} {o}s for {y}", "add {q} {o}s to my basket",
            ),
            "complaint": (
                "{it} came broken", "I am still waiting for {it}", "your driver was rude", "{it} is faulty",
                "I was charged twice for {it}", "nobody answers the phone", "this is not what I ordered",
                "half of it was missing", "I expect a refund for {it}",
            ),
            "thanks": (
                "thank you for {it}", "many thanks to {n}", "thanks a lot, {it} is here", "we are grateful",
                "I want to thank {n} for the help", "thanks for your patience",
            ),
            "cancellation": (
                "please cancel {it}", "I have to cancel my booking for {y}", "we can't come on {y}",
                "delete my account", "I no longer need {it}", "I call off the order of {it}",
            ),
            "greeting": (
                "hello {n}", "good morning, everyone", "hi there", "greetings from {c}", "good evening, {n}",
                "merry christmas", "welcome to {c}", "happy birthday, {n}",
            ),
        },
    ),
    (
        ("topic", "subject", "section", "category", "label", "theme"),
        {
            "sports": (
                "{n} scored twice in the final", "the team lost three to one", "{c} won the cup",
                "the coach resigned",
                "{n} ran the marathon in record time", "the match was postponed", "the striker is injured",
                "two gold medals for {n}", "the league starts in {c}", "the goalkeeper saved a penalty",
            ),
            "politics": (
                "the minister resigned", "parliament votes on {y}", "{n} won the election",
                "the mayor of {c} spoke",
                "the president signed the law", "the opposition wants new taxes", "the party chose {n}",
                "the government meets in {c}", "voters in {c} go to the polls", "a new tax bill was passed",
            ),
            "weather": (
                "rain is expected in {c}", "it will snow on {y}", "storm warning for {c}", "sunny and mild",
                "temperatures fall below zero", "fog until noon in {c}", "a heat wave hits {c}",
                "light wind from the west",
            ),
            "food": (
                "add the flour and two eggs", "the restaurant serves soup and steak", "bake it for an hour",
                "{n} cooks pasta with basil", "a recipe for apple pie", "the chef from {c} grills fish",
                "season with salt and pepper", "the bakery has new bread",
            ),
            "travel": (
                "flights to {c} are cheap in May", "the hotel is close to the beach",
                "we took the night train to {c}",
                "{n} spent a week in {c}", "pack your passport and sun cream", "the cruise stops in {c}",
                "a guided tour of {c}", "the airport of {c} is closed",
            ),
            "technology": (
                "the new phone has two cameras", "{b} released an update", "the chip is twice as fast",
                "hackers stole passwords", "the app runs on any laptop", "a robot that learns",
                "the server runs on Linux",
                "programmers found a bug", "the software reads handwriting",
            ),
            "health": (
                "the doctor found a new vaccine", "walking lowers blood pressure", "{n} has the flu",
                "the hospital in {c} needs nurses", "sleep is good for the heart", "patients wait for weeks",
                "a pill against headaches", "the surgeon operated for hours",
            ),
            "music": (
                "{n} sings tonight", "the band plays in {c}", "her new album is out",
                "the choir needs tenors",
                "the orchestra opens with a symphony", "a song for {n}", "guitar lessons on {y}",
                "the pianist gave two encores",
            ),
            "business": (
                "profits rose by a tenth", "{b} buys a rival", "the bank raised its rates",
                "shares fell in {c}",
                "{b} closes its plant", "sales doubled this year", "investors trust {n}",
                "the company has debts",
            ),
            "science": (
                "researchers found a new planet", "the experiment failed", "{n} studies whales",
                "a theory of gravity",
                "the telescope sees far galaxies", "chemists made a new material",
                "a fossil was dug up near {c}",
            ),
        },
    ),
    (
        ("department", "team", "queue", "category", "route_to"),
        {
            "billing": (
                "I paid the invoice twice", "my card was charged", "where is my refund?",
                "the amount is wrong",
                "send me the receipt for {it}", "the invoice shows the wrong price",
                "my payment did not go through",
            ),
            "technical": (
                "the app crashes when I open it", "I can't log in", "the page does not load",
                "error on the screen",
                "{it} shows an error", "the update does not install", "the connection drops all the time",
            ),
            "shipping": (
                "where is my parcel?", "the tracking number does not work", "the box went to {c} by mistake",
                "the courier did not ring", "when will {it} be delivered?", "my package is lost",
            ),
            "sales": (
                "I'd like a quote for {q} {o}s", "do you give a discount?", "I am interested in {it}",
                "what does {it} cost for {q} people?", "can we have a demo on {y}?",
            ),
            "hr": (
                "I want to apply for the job", "my leave starts on {y}", "how many holidays do I have?",
                "{n} hands in her notice", "attached is my CV",
            ),
        },
    ),
    (
        ("priority", "urgency", "importance"),
        {
            "high": (
                "urgent!", "please answer at once", "the server is down", "we need it right now",
                "emergency in {c}",
                "as soon as possible, please", "{n} is stuck in the lift",
                "water is coming through the ceiling",
                "nobody can work at the moment", "it must be done today",
            ),
            "low": (
                "no hurry", "whenever you find the time", "it can wait until next month",
                "just an idea for later",
                "some day we should paint {it}", "this is not important", "no need to answer soon",
                "a small wish",
            ),
        },
    ),
    (
        ("language", "lang"),
        {
            "English": ("the house is big", "where are you going?", "I like to read", "see you soon"),
            "German": ("das Haus ist groß", "wohin gehst du?", "ich lese gern", "es ist spät", "bis bald"),
            "French": ("la maison est grande", "où vas-tu ?", "j'aime lire", "il est tard", "à bientôt"),
            "Spanish": ("la casa es grande", "¿adónde vas?", "me gusta leer", "es tarde", "hasta pronto"),
            "Italian": ("la casa è grande", "dove vai?", "mi piace leggere", "è tardi", "a presto"),
        },
    ),
    (
        ("spam", "label", "folder", "category"),
        {
            "spam": (
                "you have won a million", "click here for free money", "cheap pills, no prescription",
                "claim your prize today", "make money fast from home",
                "your account is locked, send your password",
            ),
            "ham": (
                "shall we meet on {y}?", "the minutes are attached", "{n} will be late", "dinner at eight?",
                "I sent you {it}", "your appointment is on {y}", "thanks for the photos",
            ),
        },
    ),
)  # fmt: skip


def judged(chance: random.Random, how: int) -> str:
    """Return a remark: pleased (0), displeased (1) or neither (2); `{it}`, `{o}`, `{n}`, `{c}`, `{y}` and
    `{q}` stand for a thing with its article, without it, a name, a city, a weekday and a number."""
    feelings = (_GOOD_FEELINGS, _BAD_FEELINGS, _FLAT_FEELINGS)[how]
    words = (_GOOD, _BAD, _FLAT)[how]
    events = (_GOOD_EVENTS, _BAD_EVENTS, _FLAT_EVENTS)[how]
    draw = chance.random()
    if draw < 0.3:
        return chance.choice(feelings)
    part = f"{chance.choice(('the', 'the', 'the', 'my', 'our', 'this'))} {chance.choice(PARTS)}"
    if draw < 0.4:
        part = "{it}"
    elif draw < 0.45:
        part = chance.choice(("it", "everything")) if how < 2 else "it"
    if draw < 0.75 or 0.95 < draw:
        verb = chance.choice(("is", "was", "is", "was", "turned out", "looks"))
        is_ = "is " if how == 2 else f"{verb} {chance.choice(_VERY)}"
        text = f"{part} {is_}{chance.choice(words)}"
        if chance.random() < 0.25:
            text += f" and {chance.choice(PARTS)} {chance.choice(('was', 'is'))} {chance.choice(words)}"
        return text
    return f"{part} {chance.choice(events)}{chance.choice(_WHENS) if how == 1 else ''}"


_VERY = ("", "", "", "", "so ", "simply ", "really ", "just ", "truly ")


def message(chance: random.Random) -> tuple[tuple[str, ...], list[str], str, str]:
    """Return keys that may ask for the kind of a message, some kinds, its kind, and the message."""
    keys, banks = chance.choice(_KINDS)
    kind = chance.choice(list(banks))
    others = [one for one in banks if one != kind]
    kinds = [kind, *chance.sample(others, chance.randint(1, min(4, len(others))))]
    chance.shuffle(kinds)
    count = chance.choice((1, 1, 2)) if len(banks[kind]) > 1 else 1
    parts = chance.sample(banks[kind], count)
    text = " ".join(part[0].upper() + part[1:] + ("" if part[-1] in "?!" else ".") for part in parts)
    return keys, kinds, kind, text
