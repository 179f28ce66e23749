"""Sentences of plain English words, each with an object or a list and the clauses that people put around it.

In the other sources half of the words are made up, so that names have to be copied; what they do not teach
is where a thing or a list of ordinary words begins and ends: `sledge` in `lent me their sledge when it was
dark`. A frame is a text with slots and the keys under which each slot is asked for; what stands in braces
with a capital letter is a list. `~` is a place for a clause, or for nothing.
"""

from __future__ import annotations

import re

from data import words as lexicon
from data.values import SCHEMAS, Fact, Value, Values, article_of
from data.words import Words, plural_of

_THINGS = (
    "motorbike bicycle canoe tent piano guitar sofa bookcase wardrobe mattress fridge oven freezer "
    "kettle lawnmower ladder wheelbarrow chainsaw drone telescope microscope typewriter record player "
    "coffee grinder sewing machine rocking chair garden shed picnic basket fishing rod tennis racket "
    "chess set birthday cake wedding dress winter coat rain jacket pair of skates pair of boots box of "
    "matches bunch of flowers bag of cement bottle of wine jar of honey painting statue carpet "
    "chandelier grandfather clock pocket watch necklace bracelet violin trumpet accordion drum kit "
    "saddle parrot cage fish tank van caravan trailer tractor scooter skateboard sledge kayak rowing "
    "boat novel cookbook dictionary atlas postcard stamp album passport key ring umbrella handbag "
    "briefcase toolbox lamp candlestick mirror vase teapot frying pan salad bowl steak soup lasagne "
    "omelette pancake sandwich pizza curry dumpling"
)
_PAIRS = frozenset(
    "record coffee sewing rocking garden picnic fishing tennis chess "
    "birthday wedding winter rain grandfather "
    "pocket drum parrot fish rowing stamp key frying salad".split()
)
_MANY = (
    "flour sugar butter milk eggs rice pasta bread cheese olives onions garlic beans lentils carrots spinach "
    "basil salt pepper oil vinegar honey tea coffee juice water wine yeast chocolate raisins almonds walnuts "
    "nails screws bolts paint glue rope tape wire timber bricks sand cement tiles paper ink envelopes pens "
    "pencils scissors stamps candles matches batteries blankets pillows towels sheets soap shampoo bandages "
    "gloves boots helmets maps tents torches cups plates forks spoons "
    "napkins tablecloths roses tulips lilies "
    "daisies ferns cabbages turnips pumpkins apples pears plums cherries melons figs grapes strawberries"
).split()
CLAUSES = (
    "if you bring it over", "because it rains a lot here", "before the shop closed", "when the doors opened",
    "while it was still warm", "as soon as it was light", "although nobody had asked", "and left at once",
    "so that we can start", "unless something comes up", "even though it was late", "after a long wait",
    "if that is all right with you", "and went straight home", "which nobody expected", "as a surprise",
    "without saying a word", "on the way home", "at the very last minute", "for the second time this week",
    "but changed her mind", "and that was the end of it", "in case it gets cold", "since the old one broke",
    "to everyone's delight", "with a big smile", "just before lunch", "over the phone", "in the attic",
    "at the market", "under the stairs", "for next to nothing", "as far as I remember", "and nothing else",
    "whenever there is time", "to be on the safe side", "from now on", "like every year", "until it broke",
)  # fmt: skip
OPENINGS = (
    "Last night", "This morning", "Believe it or not,", "As it happens,", "On our way back", "All in all,",
    "To be honest,", "Rumour has it that", "Would you believe it:", "The other day", "Guess what:", "Anyway,",
    "If all goes well,", "Years ago", "Once more", "During the storm", "On Sundays", "At long last",
    "Mind you,",
)  # fmt: skip
FRAMES: tuple[tuple[str, str], ...] = (
    (
        "{n} sold {his} {i} to a {j} from {c}, who paid {p} for it",
        "n:seller,name i:item,product c:city p:price,paid",
    ),
    ("{n} bought {a i} from a {j} in {c} ~", "n:buyer,name i:item,product,bought c:city,place"),
    ("{n} will pay {p} for {the} {i} ~", "n:buyer,name p:price,offer i:item,object"),
    ("{n} is looking for {a i} ~", "n:name,customer,person i:item,wants,looking_for"),
    ("has anyone seen {n}'s {i} ~", "n:owner,name i:item,lost_item,object"),
    ("{n} left {his} {i} on the train to {c}", "n:name,owner,passenger i:item,lost_item c:city,destination"),
    ("{n} lent me {his} {i} ~", "n:lender,owner,name i:item,object"),
    ("{n} borrowed {the} {i} ~ and will return it on {d}", "n:borrower,name i:item d:date,return_date,due"),
    ("{the} {i} ~ belongs to {n}", "i:item,object n:owner,belongs_to"),
    ("{the} {i} was a present from {n} ~", "i:item,gift,present n:giver,from,name"),
    ("{n} gave {f} {a i} ~", "n:giver,from f:receiver,to i:gift,item,present"),
    ("for {his} birthday {n} got {a i} ~", "n:name,child i:gift,present,item"),
    ("{n} repaired {the} {i} ~ for {p}", "n:mechanic,name i:item,repaired p:price,cost"),
    (
        "{n} had the {i} and {f} the {i2}",
        "n:first_guest,first_person i:first_dish,first_item "
        "f:second_guest,second_person i2:second_dish,second_item",
    ),
    (
        "I would like the {i} please, and {f} takes the {i2} ~",
        "i:my_order,mine f:friend,name i2:friend_order,other_item",
    ),
    ("{the} {i} broke {n}'s {i2} ~", "i:culprit,cause n:owner,name i2:broken,broken_item,damaged"),
    ("we need {a i} for the {j} by {d}", "i:item,needed j:for,for_whom,job d:deadline,date,due"),
    ("{the} {i} costs {p} ~", "i:item,product p:price,cost"),
    ("{p} for {a i} is too much, says {n}", "p:price,cost i:item,product n:name,speaker"),
    ("what {n} wants most is {a i} ~", "n:name,person i:item,wish,wants"),
    ("instead of {a i} {n} brought {a i2} ~", "i:expected,wanted n:name,guest i2:brought,item"),
    ("there is {a i} waiting for {n} in {c}", "i:item,parcel n:name,recipient c:city,place"),
    ("{n}, {age}, fell off {his} {i} ~", "n:name,victim age:age i:item,vehicle,fell_off"),
    ("the prize, {a i}, went to {n} of {c}", "i:prize,item n:winner,name c:city,home"),
    (
        "{n} is after {a I} ~: {q}, to be exact",
        "n:name,customer I:items,product,goods q:quantity,count,number",
    ),
    ("the thief took {q} {I} from {n}'s shop ~", "q:quantity,count I:items,stolen n:owner,name"),
    ("{his} {i}, says {n}, is from {c}", "i:item n:owner,name c:city,origin,from"),
    (
        "the {i} ~ goes to {c}, the {i2} stays in {c2}",
        "i:moving_item,sent c:to,destination i2:staying_item,left c2:from,home",
    ),
    ("{n} makes {I} ~ and sells them in {c}", "n:maker,name I:product,products,goods c:city,market"),
    # lists
    ("both of my cats, {N2}, are {age}", "N2:cats,pets,names age:age"),
    ("the twins, {N2}, turn {age} on {d}", "N2:twins,names,children age:age d:date,birthday"),
    ("all three of us, {N3}, will come to {c} ~", "N3:guests,names,people c:city,place"),
    ("{N} came ~, and so did {f}", "N+f:guests,people,names,came"),
    ("{f} will be there, and {N} too", "f+N:guests,people,names,attendees"),
    ("not only {f} but also {N} passed the exam", "f+N:passed,students,names"),
    ("{N} have moved to {c} ~", "N:couple,names,people,family c:city"),
    ("the winners are, in this order, {N}", "N:winners,names,ranking"),
    ("flight to {c}: {N}", "c:city,destination N:passengers,names"),
    ("{n} shares a flat with {N} in {c}", "n:name,tenant N:flatmates,others,names c:city"),
    ("my sisters are called {N}", "N:sisters,names"),
    ("{N} are on the team, {f} is not", "N:team,members,players"),
    ("{n} asked {N} for help ~", "n:name,person N:helpers,asked,friends"),
    ("apart from {f}, everybody came: {N}", "N:guests,came,names f:absent,missing"),
    ("on the list: {W}", "W:items,list,shopping_list"),
    ("the bakery needs {W} ~", "W:needs,items,ingredients"),
    ("{n} bought {W} ~", "n:name,customer W:items,bought,groceries"),
    ("please bring {W}, and don't forget the {w}", "W+w:items,bring,things"),
    ("first add {W}, then the {w}", "W+w:ingredients,items"),
    ("all it takes is {W} and a little {w}", "W+w:ingredients,needed"),
    ("we are out of {W} ~", "W:missing,out_of_stock,items"),
    ("{n} grows {W} in {c}", "n:farmer,name W:crops,grows,products c:city,place"),
    ("we sell {W}, but no {w}", "W:products,sold,items"),
    ("there was {W} to eat ~", "W:food,menu,items"),
    ("the recipe calls for {W}; serves {q}", "W:ingredients,items q:serves,people,portions"),
    ("{n} forgot {W} at home", "n:name W:forgotten,items"),
    ("no {w} this week, only {W}", "W:available,items,in_stock"),
    ("in {his} bag {n} had {L}", "n:name,owner L:contents,items,bag"),
    ("{n} packed {L} ~", "n:name,traveller L:items,packed,luggage"),
    ("for sale: {L}, all for {p}", "L:items,for_sale p:price,total"),
    ("the burglars took {L} ~", "L:stolen,items"),
    ("{n} ordered {L} ~", "n:name,customer L:order,items"),
    ("we found {L} under the stairs", "L:found,items"),
    ("{n} would like {L} for {his} birthday", "n:name,child L:wishes,gifts,items"),
    ("the room has {L} and costs {p} a night", "L:furniture,equipment,items p:price"),
    ("from {c} we go to {C} ~", "c:start,from C:stops,cities,route"),
    ("the tour takes in {C} ~ and ends in {c}", "C:cities,stops c:end,last_stop"),
    ("{n} has lived in {C}", "n:name C:cities,lived_in,places"),
    ("{C}: {n} has seen them all", "C:cities,places n:name,traveller"),
    ("{n} has shops in {C}", "n:owner,name C:cities,shops,branches"),
    ("buses leave for {C} every {q} minutes", "C:destinations,cities q:minutes,interval"),
    ("{n} is good at {S}", "n:name S:skills,good_at,strengths"),
    ("{n} gave up {S} ~", "n:name S:hobbies,gave_up,activities"),
    ("wanted: {j} with experience in {S}", "j:job,position S:skills,experience,requirements"),
    ("on weekends {n} enjoys {S} ~", "n:name S:hobbies,interests,activities"),
)
ROW_FRAMES: tuple[tuple[str, str], ...] = (
    ("{n} ordered {R} ~", "n:customer,name,buyer R:items,order,lines"),
    ("the invoice of {d} lists {R}", "d:date,invoice_date R:items,lines,positions"),
    ("on the receipt: {R}", "R:items,receipt,lines"),
    ("please deliver {R} to {n} in {c}", "R:items,goods,order n:name,recipient c:city,destination"),
    ("in stock we have {R}", "R:stock,items,inventory"),
    ("our stand sold {R} on {d}", "R:sold,items,sales d:date,day"),
    ("{n} still owes me for {R}", "n:debtor,name R:items,owed"),
    ("the crate for {c} holds {R}", "c:city,destination R:contents,items"),
    ("{R}, all of it for {n}", "R:items,order n:name,customer"),
    ("{n}'s basket: {R}", "n:name,owner,customer R:basket,items"),
    ("from {n} we got {R} ~", "n:supplier,from,name R:items,delivery,goods"),
    ("put {R} on the bill ~", "R:bill,items,lines"),
    ("what {n} sold at the fair: {R}", "n:seller,name R:items,sold"),
    ("{R} left the warehouse on {d}", "R:items,shipment,goods d:date,shipped"),
    ("the quote says {R}", "R:quote,items,offers"),
    ("{n} returned {R} ~", "n:customer,name R:returned,items"),
    ("price list: {R}", "R:prices,items,products"),
    ("{n} will pay for {R}, I for {i}", "n:payer,name R:items,lines i:mine,my_item"),
    ("the shop in {c} asked for {R}, in total {p}", "c:city,shop R:items,order p:total,sum"),
    ("{c} gets {R}", "c:city,to R:items,delivery"),
)
"""Frames with rows: things with their numbers and prices."""
THING_FRAMES: tuple[tuple[str, str], ...] = (
    ("{n} walks {his} {an} at {t}", "n:owner,name an:animal,pet t:time,at"),
    ("the {an} of {n} hid under the {i}", "an:animal,pet n:owner,name i:hiding_place,object"),
    ("{n} is afraid of every {an} but keeps {a an2}", "n:name,person an:afraid_of,fears an2:animal,pet"),
    ("at {t} the {an} was back in {c}", "t:time,returned_at an:animal c:city,place"),
    ("the vet saw {n}'s {an} at {t}", "n:owner,name an:animal,patient,pet t:time,appointment"),
    ("{n} made {o} for {f} ~", "n:cook,name o:dish,meal,food f:guest,for"),
    ("the {o} was cold, the {o2} was fine", "o:complaint,cold_dish o2:praised,good_dish"),
    ("{n} takes the {o} and {a i}", "n:guest,name o:dish,main,order i:item,extra"),
    ("one {o} and one {o2} for {n}, please", "o:first_dish,dish o2:second_dish n:name,guest"),
    ("{o} costs {p} today ~", "o:dish,item,meal p:price,cost"),
    ("ticket {k} is for {n}, row {q}", "k:ticket,code,number n:name,holder q:row"),
    ("under {k} we have noted {a i} for {n}", "k:order_id,reference,code i:item,product n:customer,name"),
    ("{n} asks what became of {k}, {a i}", "n:customer,name k:order_id,reference,number i:item,product"),
    (
        "reference {k}: {the} {i} did not arrive in {c}",
        "k:reference,code i:item,missing,product c:city,place",
    ),
    ("the {s} lesson of {n} begins at {t}", "s:subject,course,lesson n:teacher,name t:time,start,begins"),
    ("{n} failed {s} but did well in {s2}", "n:student,name s:failed,worst_subject s2:best_subject,passed"),
    ("{n} teaches {s} in {c} ~", "n:teacher,name s:subject,field c:city,place"),
    ("after {s} {n} has {s2}", "s:first_subject,before s2:next_subject,then n:student,name"),
    (
        "{n} plays the {m}, {f} the {m2}",
        "n:first_player,first_name m:first_instrument f:second_player,second_name m2:second_instrument",
    ),
    ("{n} swapped {his} {m} for {a i}", "n:name,musician m:gave_away,instrument,old i:received,new"),
    ("{n} exchanged {a i} for {a i2} ~", "n:name,customer i:gave_away,returned i2:received,new_item"),
    ("{n} handed in {a i} and took {a i2} home", "n:name,visitor i:handed_in,left i2:took,new_item"),
    ("{the} {i} from {c} fits in {the} {i2}", "i:item,smaller c:origin,city i2:container,larger"),
    (
        "{n} carried {a i} up, {f} {a i2}",
        "n:first_person,first_helper i:first_item f:second_person,second_helper i2:second_item",
    ),
    ("{n} mistook {the} {i} for {a i2}", "n:name,person i:real,item i2:mistaken_for,seemed"),
    ("with {a i} in {his} hand {n} ran after {the} {an}", "i:item,tool,held n:name,runner an:animal,chased"),
    ("somebody put {a i} on the {i2} of {n} ~", "i:item,put i2:place,under n:owner,name"),
    ("{n} won {a i} ~, worth {p}", "n:winner,name i:prize,item,won p:value,worth"),
    ("{a i}, {q} years old, still hangs in {n}'s hall", "i:item,object q:age,years n:owner,name"),
    (
        "it was {a i}, not {a i2}, that {n} had asked for",
        "i:wanted,asked_for i2:wrong_item,not_wanted n:name",
    ),
    ("{n} pays {p} a month for {the} {i} ~", "n:name,payer p:price,monthly,rate i:item,product"),
    ("for {p} you get {a i} with {a i2}", "p:price,cost i:item,product,main i2:extra,accessory"),
    (
        "the {i} is {n}'s, the {i2} is {f}'s",
        "i:first_item n:first_owner,first_name i2:second_item f:second_owner,second_name",
    ),
    ("{n} will bring {the} {i} back by {t} on {d}", "n:name,borrower i:item,object t:time d:date,day"),
    ("{n} found {a i} at {t} in {c}", "n:finder,name i:item,found,object t:time c:city,place"),
    (
        "a parcel with {a i} is on its way to {c}, number {k}",
        "i:item,contents c:city,destination k:number,tracking",
    ),
    ("no {i} today, but {a i2} for {n}", "i:missing,sold_out i2:item,available n:name,customer"),
    ("{n} knows how to mend {a i} and charges {p}", "n:mechanic,name i:item,mends p:price,charge"),
    (
        "{a i} for {p} and {a i2} for {p2}, says {n}",
        "i:first_item p:first_price i2:second_item p2:second_price n:name,seller",
    ),
    ("of all things {n} wished for {a i} ~", "n:name,child i:wish,item,present"),
    ("{n} locked {the} {i} in the cellar of {f}", "n:name,person i:item,locked_up f:cellar_owner,owner"),
)
"""Frames with a thing or two, an animal, a dish, a subject, an instrument, a time or a code."""
ALL_FRAMES = FRAMES + THING_FRAMES + ROW_FRAMES
_ANIMALS = (
    "hen goose duck donkey mule lamb calf piglet hedgehog mouse rat guinea-pig lizard snake gecko spaniel "
    "poodle terrier beagle budgie cockatoo peacock llama alpaca foal mare tomcat lamb owl falcon bee tadpole"
).split() + lexicon.ANIMALS
_DISHES = (
    "goulash risotto ravioli gnocchi paella moussaka ratatouille quiche schnitzel meatballs chowder gazpacho "
    "porridge waffles trifle cheesecake tiramisu stew casserole roast lentil-soup onion-soup apple-pie "
    "fish-cakes lamb-chops beef-stew potato-salad fried-rice plum-cake rice-pudding baked-beans cod trout "
    "salmon duck turkey ramen pho tacos burrito falafel hummus kebab"
).split()
_SUBJECTS = (
    "maths algebra geometry physics chemistry biology botany history geography latin greek french drawing "
    "drama music pottery sewing cookery economics law logic ethics statistics astronomy geology sociology"
).split()
_INSTRUMENTS = (
    "piano guitar violin viola cello flute oboe bassoon clarinet trumpet trombone tuba harp banjo mandolin "
    "ukulele accordion organ drums xylophone recorder bagpipes zither"
).split()
_POOLS = {"an": _ANIMALS, "o": _DISHES, "s": _SUBJECTS, "m": _INSTRUMENTS}
_SLOT = re.compile(r"\{(\w+)(?: (\w+))?\}")


def _things() -> list[str]:
    """Return the things, those of two words and those with `of` put together."""
    parts, found = _THINGS.split(), []
    while parts:
        thing = parts.pop(0)
        if thing in _PAIRS and parts:
            thing = f"{thing} {parts.pop(0)}"
        if parts and parts[0] == "of":
            thing = f"{thing} of {parts[1]}"
            del parts[:2]
        found.append(thing)
    return found


class Plain:
    """Draws sentences: the facts that they tell, and the text."""

    def __init__(self, words: Words, values: Values) -> None:
        self.words, self.values, self.chance = words, values, words.chance
        self.things = _things() + list(lexicon.ITEMS)

    def draw(self) -> tuple[dict[str, Fact], str]:
        """Return the facts by name, and the sentence."""
        chance = self.chance
        frame, asked = chance.choice(chance.choices((FRAMES, THING_FRAMES, ROW_FRAMES), (5, 4, 2))[0])
        said: dict[str, Value] = {}

        def filled(match: re.Match[str]) -> str:
            return self._filled(match[1], match[2], said)

        text = _SLOT.sub(filled, frame)
        clause = chance.choice(CLAUSES) if chance.random() < 0.6 else ""
        text = re.sub(r" ~", f" {clause}" if clause else "", text)
        facts: dict[str, Fact] = {}
        for part in asked.split():
            name, _, keys = part.partition(":")
            value = said[name] if name in said else self._joined([said[one] for one in name.split("+")])
            schema = Values.rows_schema(value.value) if value.type == "lines" else SCHEMAS[value.type]
            facts[name] = Fact(value, keys.split(","), schema)
        if chance.random() < 0.2:
            opening = chance.choice(OPENINGS)
            text = f"{opening} {text}"
        if not text.startswith(tuple(value.said for value in said.values())):
            text = text[0].upper() + text[1:]
        mark = "?" if frame.startswith("has anyone") else chance.choice((".", ".", ".", ".", "!", ""))
        return facts, text + mark

    def _filled(self, slot: str, second: str | None, said: dict[str, Value]) -> str:
        """Return the words of a slot, and note what it says; `a i` is a thing with its article."""
        chance = self.chance
        if slot == "his":
            return chance.choice(("his", "her", "their"))
        if slot == "the":
            return chance.choice(("the", "the", "this", "that", "my", "our", "your"))
        if slot == "a" and second is not None:
            words = self._filled(second, None, said)
            if second == "I":
                return words
            article = article_of(words) if chance.random() < 0.75 else "another"
            return f"{article} {words}"
        value = said[slot] = self._value(slot)
        return value.said

    def _value(self, slot: str) -> Value:
        chance, values = self.chance, self.values
        plain = {"n": values.person, "f": values.first, "c": values.city, "c2": values.city,
                 "p": values.price,
                 "d": values.date, "age": values.age, "j": values.job, "q": values.small,
                 "C": values.city_list, "t": values.clock, "k": values.code, "p2": values.price,
                 "S": values.skill_list}  # fmt: skip
        if slot in plain:
            return plain[slot]()
        if slot.rstrip("2") in _POOLS:
            word = chance.choice(_POOLS[slot.rstrip("2")]).replace("-", " ")
            if chance.random() < 0.2:
                word = f"{chance.choice(lexicon.ADJECTIVES)} {word}"
            return Value(word, word, "string", "item")
        if slot == "R":
            return self._rows()
        if slot == "w":
            word = chance.choice(_MANY)
            return Value(word, word, "string", "item")
        if slot[0] in "iI":
            thing = self._thing()
            thing = plural_of(thing) if slot == "I" else thing
            return Value(thing, thing, "string", "item")
        count = int(slot[1]) if len(slot) > 1 else chance.choices((1, 2, 3, 4, 5), (0.5, 6, 7, 4, 1))[0]
        if slot[0] == "N":
            draw = self.words.full_name if chance.random() < 0.25 else self.words.first_name
            return values.listed(list(dict.fromkeys(draw() for _ in range(max(2, count)))))
        if slot[0] == "W":
            many = chance.sample(_MANY, count)
            if chance.random() < 0.75:
                return values.listed(many)
            # how much there is of it is no part of the value; what it is like, is
            before = [chance.choice(("some", "a bit of", "a few", "plenty of", "fresh")) for _ in many]
            said = [f"{word} {one}" for word, one in zip(before, many, strict=True)]
            kept = [
                f"{word} {one}" if word == "fresh" else one for word, one in zip(before, many, strict=True)
            ]
            return Value(values.listed(said).said, kept, "strings", "list")
        things = list(dict.fromkeys(self._thing() for _ in range(max(2, count))))
        lead = chance.choice(("a", "a", "the", "his", "her"))
        articled = [f"{article_of(one) if lead == 'a' else lead} {one}" for one in things]
        return Value(values.listed(articled).said, things, "strings", "list")

    def _thing(self) -> str:
        chance = self.chance
        thing = chance.choice(self.things)
        if chance.random() < 0.15:
            return f"{chance.choice(lexicon.ADJECTIVES)} {thing}"
        return thing

    def _rows(self) -> Value:
        """Return things with their numbers, their prices or both, all said in one of many ways."""
        chance, values = self.chance, self.values
        name = chance.choice(("name", "name", "item", "product", "article", "thing", "title"))
        number = chance.choice(("quantity", "quantity", "qty", "count", "amount", "number"))
        money = chance.choice(("price", "price", "cost", "unit_price"))
        form, priced, counted = chance.choice((
            ("{q} {I}", False, True), ("{i} x{q}", False, True), ("{q}x {i}", False, True),
            ("{i} ({q})", False, True), ("{i}: {q}", False, True), ("{q} of the {I}", False, True),
            ("{I}, {q} of them", False, True),
            ("{a} {i} at {p}", True, False), ("{a} {i} for {p}", True, False), ("{i} ({p})", True, False),
            ("{i}: {p}", True, False), ("{i} {p}", True, False), ("{a} {i} that costs {p}", True, False),
            ("{p} for the {i}", True, False), ("the {i} at {p}", True, False),
            ("{q} {I} at {p} each", True, True), ("{q} {I} for {p}", True, True),
            ("{q} {I} ({p} each)", True, True), ("{q} x {i} at {p}", True, True),
            ("{q} {I}, each {p}", True, True), ("{i}, {q} at {p}", True, True), ("{q} {I}: {p}", True, True),
        ))  # fmt: skip
        said, rows = [], []
        for _ in range(chance.choices((1, 2, 3, 4), (1, 6, 5, 1))[0]):
            thing = self._thing() if chance.random() < 0.8 else self.words.made_up()
            count, price = values.small(), values.price()
            many = thing if " of " in thing else plural_of(thing)
            said.append(form.format(
                a=article_of(thing), i=thing, I=many, q=count.said, p=price.said
            ))  # fmt: skip
            row: dict[str, object] = {name: many if "{I}" in form else thing}
            row |= {number: count.value} if counted else {}
            rows.append(row | ({money: price.value} if priced else {}))
        if "," in form:
            return Value("; ".join(said), rows, "lines", "list")
        return Value(values.listed(said).said, rows, "lines", "list")

    @staticmethod
    def _joined(parts: list[Value]) -> Value:
        """Return one list of values that are said apart."""
        every: list[object] = []
        for part in parts:
            every += part.value if isinstance(part.value, list) else [part.value]
        return Value("", list(dict.fromkeys(every)), "strings", "list")
