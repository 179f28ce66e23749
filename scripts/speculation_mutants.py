"""Faults of speculation, seeded one at a time into a copy of structgen: each must turn a test red.

A mutant that stays green is a test that is missing. Most are faults that released engines had: guesses that
are accepted twice, noise that is used again, caches that keep what was refused.
"""

from __future__ import annotations

from mutants import Mutant

SAME = "engine/test_speculation.py::test_drafts_of_the_text_itself_change_nothing"
LAW = "engine/test_speculation_laws.py::test_texts_are_drawn_from_the_law_of_plain_decoding"
TREES = "engine/test_model_trees.py::test_trees_give_bit_by_bit_what_plain_decoding_gives"
BITS = "engine/test_speculation.py::test_the_embedded_model_writes_the_same_bits"
KNOWN = (
    "engine/test_speculation.py::test_a_drafter_that_asks_is_told_the_likeliest_allowed_tokens_of_each_node"
)
PLAIN = "engine/test_speculation.py::test_where_a_row_costs_as_much_as_a_pass_auto_is_plain_decoding"

MUTANTS = (
    Mutant(
        "auto drafts with a model whose drafts cannot pay",
        "engine/loop.py",
        "if any(mosts) and not self.trial.pays:",
        "if any(mosts) and self.trial.pays is None:",
        (PLAIN,),
    ),
    Mutant(
        "a guessed token is drawn with the noise of the token before",
        "engine/sequences.py",
        "        self.place = self.line = guesses.row\n",
        "        self.place = self.line = guesses.row\n        self.row.position -= 1\n",
        (SAME,),
    ),
    Mutant(
        "every pass draws with the noise of the first place",
        "engine/choice.py",
        "np.array([(row.stream, row.position) for row in rows]",
        "np.array([(row.stream, 0) for row in rows]",
        (LAW,),
    ),
    Mutant(
        "an accepted guess is kept twice",
        "engine/verified_draft.py",
        "self.path.append(node + 1)",
        "self.path += [node + 1, node + 1]",
        (SAME, BITS),
    ),
    Mutant(
        "refused guesses stay in the cache",
        "engine/model_reading.py",
        "paths = [text.guesses.path for text in texts if text.guesses is not None]",
        "paths = [[*range(len(text.guesses.draft) + 1)] for text in texts if text.guesses is not None]",
        (BITS, SAME),
    ),
    Mutant(
        "accepted guesses are not in the cache",
        "engine/model_reading.py",
        "paths = [text.guesses.path for text in texts if text.guesses is not None]",
        "paths = [text.guesses.path[:1] for text in texts if text.guesses is not None]",
        (BITS, SAME),
    ),
    Mutant(
        "a tree is read as a chain",
        "engine/model_reading.py",
        "parents += [-1, *(draft.parents + 1).tolist()]",
        "parents += [*range(-1, len(draft))]",
        (SAME,),
    ),
    Mutant(
        "positions of a draft have a gap behind the text",
        "engine/forward_pass/llama.py",
        "(tokens[node], length + depths[node], address",
        "(tokens[node], length + depths[node] + (node > start), address",
        (TREES,),
    ),
    Mutant(
        "positions of a tree are its columns",
        "engine/forward_pass/llama.py",
        "(tokens[node], length + depths[node], address",
        "(tokens[node], length + node - start, address",
        (TREES,),
    ),
    Mutant(
        "columns of refused guesses stay between those that are kept",
        "engine/forward_pass/llama.py",
        "                if path[-1] >= len(path):\n",
        "                if path[-1] >= 10**9:\n",
        (TREES,),
    ),
    Mutant(
        "a text's cache is as long as its draft, whatever was kept",
        "engine/forward_pass/llama.py",
        "                cache.parents = []\n                cache.length += len(path)\n",
        "                cache.length += len(cache.parents)\n                cache.parents = []\n",
        (TREES,),
    ),
    Mutant(
        "a draft goes on behind the end of the thoughts, without the grammar",
        "engine/verified_draft.py",
        " or matcher is not self.matcher or phase is not self.phase",
        "",
        (SAME,),
    ),
    Mutant(
        "a guess takes the logits of its parent",
        "engine/sequences.py",
        "        self.place = self.line = guesses.row\n",
        "        self.line = guesses.row\n",
        (SAME,),
    ),
    Mutant(
        "a guess takes the mask of its parent",
        "engine/sequences.py",
        "        self.place = self.line = guesses.row\n",
        "        self.place = guesses.row\n",
        (SAME,),
    ),
    Mutant(
        "a draft goes past the context",
        "engine/sequences.py",
        "return DraftContext(self.written, self.matcher, self._left, ends)",
        "return DraftContext(self.written, self.matcher, 100, ends)",
        ("engine/test_speculation.py::test_drafts_end_with_the_context",),
    ),
    Mutant(
        "texts that come take the lines of drafts that wait",
        "engine/mask_rows.py",
        "first, self._used = self._used, self._used + len(rows)",
        "first, self._used = 0, len(rows)",
        (SAME,),
    ),
    Mutant(
        "a text that was read anew goes on in its old draft",
        "engine/model_reading.py",
        "            text.guesses = None\n            text.forgo_drafts(",
        "            text.forgo_drafts(",
        ("engine/test_speculation.py::test_texts_go_on_without_drafts_where_there_is_no_memory_for_them",),
    ),
    Mutant(
        "a drafter that asks is told each node's logits under the mask of another text",
        "engine/loop.py",
        "for first in (text.place, text.line))",
        "for first in (text.place, 0))",
        (KNOWN,),
    ),
    Mutant(
        "a drafter that asks is told what the model found likeliest without the grammar",
        "engine/loop.py",
        "words = None if is_free else self._mask_rows.mask.array[lines]",
        "words = None",
        (KNOWN,),
    ),
    Mutant(
        "each sample has what drafters share for itself",
        "engine/engine.py",
        "lambda: Drafting(made(), facts, chain=chain)",
        "lambda: Drafting(made(), replace(facts, shared={}), chain=chain)",
        (KNOWN,),
    ),
    Mutant(
        "drafters hear of tokens twice",
        "engine/sequences.py",
        "            self.observed += len(taken)\n",
        "",
        ("engine/test_speculation.py::test_drafts_of_the_text_itself_change_nothing",),
    ),
    Mutant(
        "an answer is remembered for every tenant",
        "engine/sequences.py",
        "how.history.add(how.tenant, compiled.grammar.fingerprint",
        'how.history.add("b", compiled.grammar.fingerprint',
        (
            "engine/test_speculation.py::"
            "test_a_complete_answer_is_remembered_and_the_next_one_takes_fewer_passes",
        ),
    ),
)
