"""Faults of searches and of models made of models, seeded one at a time into a copy: each must turn a test
red.

A mutant that stays green is a test that is missing in tests/strategies.
"""

from __future__ import annotations

from mutants import Mutant

LAWS = "test_strategy_laws.py::"

MUTANTS = (
    Mutant(
        "branches take the budget of the whole text",
        "searches/branches.py",
        "compiled.fill_within(self.state, mask, 0, budget)",
        "compiled.fill_index(self.state, mask, 0)",
        ("test_rewarded.py::test_rollouts_are_whole_texts_within_the_budget",),
    ),
    Mutant(
        "a model's cache is not copied for a second continuation",
        "searches/prefix_rows.py",
        "fresh = [caches[prefix[:-1]].copy() for prefix in part]",
        "fresh = [caches[prefix[:-1]] for prefix in part]",
        (
            f"{LAWS}test_an_interrupt_at_any_pass_changes_nothing",
            "test_pause.py::test_texts_are_those_of_a_twin",
        ),
    ),
    Mutant(
        "all branches have the same noise",
        "searches/branches.py",
        "(self.stream << 32) + len(place.tokens) + 1",
        "len(place.tokens) + 1",
        ("test_cautious.py::test_the_law_is_that_of_the_likeliest_of_the_trials",),
    ),
    Mutant(
        "a decision is lost in an interrupt",
        "sequences.py",
        "            self.row.law = self.start.law()\n            self.row.law.decision = self.decided\n",
        "            self.row.law = self.start.law()\n",
        (f"{LAWS}test_an_interrupt_at_any_pass_changes_nothing",),
    ),
    Mutant(
        "the later of two equal trials is taken",
        "searches/cautious.py",
        "best = min(trials, key=lambda one: one.loss)",
        "best = max(trials, key=lambda one: one.loss)",
        ("test_cautious.py::test_the_law_is_that_of_the_likeliest_of_the_trials",),
    ),
    Mutant(
        "punctuation ends a trial outside strings too",
        "searches/cautious.py",
        "has_ended = has_closed or (has_ended and self._is_inside)",
        "has_ended = has_closed or self._is_inside",
        ("test_cautious.py::test_trials_end_at_items_and_at_stops_inside_strings",),
    ),
    Mutant(
        "forced tokens count in the mean of a lookahead",
        "searches/pause_and_rerank.py",
        "if len(after) > 1:",
        "if len(after) > 0:",
        ("test_pause.py::test_texts_are_those_of_a_twin",),
    ),
    Mutant(
        "a plan backs up the last reward, not the best",
        "searches/plan.py",
        "max(above.values[edge], reward)",
        "reward",
        ("test_rewarded.py::test_a_plan_is_the_search_by_hand",),
    ),
    Mutant(
        "values weigh by alpha and not by its inverse",
        "searches/valued.py",
        "heat * (law[order] + q / self.alpha)",
        "heat * (law[order] + q * self.alpha)",
        ("test_rewarded.py::test_the_law_is_that_of_exact_values",),
    ),
    Mutant(
        "drafts are weighted alike",
        "searches/superposed.py",
        "np.exp(log_softmax(np.array([score for _, score in drafts])))",
        "np.full(len(drafts), 1 / len(drafts))",
        ("test_superposed.py::test_drafts_of_a_linear_model_are_those_of_exact_means",),
    ),
    Mutant(
        "a forced token enters the window of entropies",
        "loop.py",
        "            if len(ids) > 1:\n                law = log_softmax(",
        "            if len(ids) > 0:\n                law = log_softmax(",
        ("test_switched.py::test_each_row_is_that_of_the_model_that_a_twin_has_in_charge",),
    ),
    Mutant(
        "a model that comes back reads the last token alone",
        "composed_models/switched.py",
        "cache.tokens[cache.read[which] :], cache.parts[which])",
        "cache.tokens[-1:], cache.parts[which])",
        ("test_switched.py::test_caches_are_those_of_a_fresh_prefill",),
    ),
    Mutant(
        "tokenisations whose last token sticks out are left out",
        "composed_models/byte_frontier.py",
        "one.logprob + float(np.logaddexp.reduce(one.law[longer])) if len(longer) else -np.inf",
        "one.logprob + float(one.law[longer].max()) if len(longer) else -np.inf",
        ("test_fused.py::test_probabilities_of_bytes_are_those_of_all_tokenisations",),
    ),
    Mutant(
        "what is read ahead is counted once more as unread",
        "composed_models/fused.py",
        "                spread.masses[at] = 0.0\n",
        "",
        ("test_fused.py::test_the_law_is_the_formula",),
    ),
)
