"""`merged`: the pages of a document have the items of the document, each once, at their places."""

from __future__ import annotations

import random

from planted_documents import answers_of, planted_document, random_pages, whole_items

from structgen.doors.extraction.merging import merged


def shown(items):
    return [
        (one.value, {f.path: (f.start, f.end) for f in one.fields if f.start is not None}) for one in items
    ]


def test_law():
    bad = n = 0
    for seed in range(300):
        drawn = random.Random(seed)
        text, items = planted_document(drawn, drawn.randint(1, 4))
        overlap = max(one.end - one.start for one in items)
        pages = random_pages(drawn, text, overlap, 200)
        answers = answers_of(text, pages, lambda s, e: whole_items(items, s, e))
        got = shown(merged(answers, text, is_object=False, keys=(), how="places"))
        one = shown(
            merged(
                answers_of(text, [(0, len(text))], lambda s, e: whole_items(items, s, e)),
                text,
                is_object=False,
                keys=(),
                how="places",
            )
        )
        want = [(i.value, i.places) for i in items]
        n += 1
        strip = lambda l: [(v, {k: p for k, p in pl.items() if k != "/department"}) for v, pl in l]
        if strip(one) != strip(want):
            print("ONE", seed)
            bad += 1
        if strip(got) != strip(want):
            bad += 1
            print("BAD", seed, len(got), len(want))
    print(bad, n)
    assert not bad
