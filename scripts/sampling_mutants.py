"""Faults of samplers, seeded one at a time into a copy of structgen/samplers: each must turn a test red.

A mutant that stays green is a test that is missing in tests/samplers. Most are faults of released code, or of
the kind that leaves every text valid and shifts only how often it comes.
"""

from __future__ import annotations

from mutants import Mutant

LISTED = "test_enumerated.py::test_all_draws_of_two_walks_have_the_masses_of_the_target"
PARTICLES = "test_enumerated.py::test_all_draws_of_particles_have_the_masses_of_the_target"
BEAMS = "test_enumerated.py::test_all_draws_of_beams_have_the_masses_of_the_target"
BOUNDS = "test_bounds.py::test_every_bound_holds_and_only_ever_tightens"
PLACES = "test_bounds.py::test_the_first_and_each_later_text_of_cars_are_draws_from_the_target"
EXHAUSTED = "test_bounds.py::test_an_exhausted_language_is_given_exactly_and_costs_no_row_more"
FILE = "test_bounds.py::test_a_tree_from_a_file_gives_the_draws_that_the_tree_itself_gives"

MUTANTS = (
    Mutant(
        "one tree for all runs, as by a default argument",
        "sample.py",
        "shared = PrefixTree() if tree is None else tree",
        'shared = sample.__dict__.setdefault("tree", PrefixTree()) if tree is None else tree',
        ("test_bounds.py::test_runs_that_are_given_no_tree_share_none",),
    ),
    Mutant(
        "a tree from a file is empty",
        "tree_file.py",
        "        tree.root = nodes[0]\n",
        "        tree.root = None\n",
        (FILE,),
    ),
    Mutant(
        "the guesses of h are lost in a tree's file",
        "tree_file.py",
        'node.estimate = said["estimate"]',
        "node.estimate = 1.0",
        (FILE,),
    ),
    Mutant(
        "the walk of a batch that ends first counts first",
        "walk.py",
        "return [done[i] for i in range(width)]",
        "return list(done.values())",
        (LISTED,),
    ),
    Mutant(
        "rows behind the first are read in half precision",
        "target.py",
        "        weights: Floats = np.exp(scaled(logits,",
        "        logits = logits.astype(np.float16 if prefix.tokens else np.float64).astype(np.float64)\n"
        "        weights: Floats = np.exp(scaled(logits,",
        (LISTED,),
    ),
    Mutant(
        "a row that is read once more, in half precision, redefines P",
        "walk.py",
        "        slot = node.unfold(",
        "        at = np.searchsorted(step.tokens, node.tokens)\n"
        "        node.probabilities = step.probabilities[at].astype(np.float16).astype(np.float64)\n"
        "        slot = node.unfold(",
        (LISTED,),
    ),
    Mutant(
        "a token that was not kept has the probability of now",
        "prefix_node.py",
        "probability = self.rest * (float(shares[at]) / whole if whole > 0 else 1 / int(left.sum()))",
        "probability = float(np.float16(shares[at]))",
        (LISTED,),
    ),
    Mutant(
        "the weight of the proposal is forgotten by walks",
        "walk.py",
        "        walk.weight *= ratio\n",
        "",
        (LISTED,),
    ),
    Mutant(
        "the weight of the proposal is forgotten by particles",
        "methods/smc.py",
        "self.log_weights[i] += math.log(taken.mass) + self._potential(i, taken)",
        "self.log_weights[i] += self._potential(i, taken)",
        (PARTICLES,),
    ),
    Mutant(
        "what a checker has read is shared by particles",
        "constraints.py",
        "return own() if own is not None else copy.deepcopy(state)",
        "return state",
        (PARTICLES,),
    ),
    Mutant(
        "resampling drops particles that have ended",
        "methods/smc.py",
        "        chosen: Ids\n",
        "        shares = np.where(self.is_done, 0.0, shares)\n        shares = shares / shares.sum()\n",
        (PARTICLES,),
    ),
    Mutant(
        "resampling forgets the mean weight",
        "methods/smc.py",
        "        self.log_z += math.log(mean)\n",
        "",
        (PARTICLES,),
    ),
    Mutant(
        "weights are kept through resampling",
        "methods/smc.py",
        "        self.log_weights = np.zeros(self.count)\n        self.log_z",
        "        self.log_weights = self.log_weights[chosen]\n        self.log_z",
        (PARTICLES,),
    ),
    Mutant(
        "texts may have one token more",
        "target.py",
        "left=max_tokens,",
        "left=max_tokens + 1,",
        (LISTED,),
    ),
    Mutant(
        "texts may have one token less",
        "target.py",
        "left=max_tokens,",
        "left=max_tokens - 1,",
        (LISTED,),
    ),
    Mutant(
        "two tokens before the last, only what completes the text is allowed",
        "target.py",
        "if prefix.left == 1:",
        "if prefix.left <= 2:",
        (LISTED,),
    ),
    Mutant(
        "one of two end tokens has all the mass of the end",
        "target.py",
        "end = float(probabilities[ends].sum()) if",
        "end = float(probabilities[ends][0]) if",
        (LISTED,),
    ),
    Mutant(
        "probabilities are normalised by the allowed mass",
        "target.py",
        "return TargetStep(allowed, probabilities[allowed], end)",
        "whole = float(probabilities[allowed].sum()) + end or 1.0\n"
        "        return TargetStep(allowed, probabilities[allowed] / whole, end / whole)",
        (LISTED,),
    ),
    Mutant(
        "the temperature is ignored",
        "target.py",
        "np.exp(scaled(logits, self.temperature,",
        "np.exp(scaled(logits, 1.0,",
        (LISTED,),
    ),
    Mutant(
        "a checker's last word is not asked for",
        "constraints.py",
        'return not self.final or self._call(state, "final", read(text), _shown(text))',
        "return True",
        (LISTED,),
    ),
    Mutant(
        "the mass of tokens that are not kept is forgotten",
        "prefix_node.py",
        "self.rest = float(step.probabilities[others].sum())",
        "self.rest = 0.0",
        (LISTED,),
    ),
    Mutant(
        "the upper bound leaves out the rest",
        "prefix_node.py",
        "upper = float(self.probabilities @ self.uppers) + self.end * self.end_upper + self.rest",
        "upper = float(self.probabilities @ self.uppers) + self.end * self.end_upper",
        (BOUNDS,),
    ),
    Mutant(
        "the rest does not shrink when a token leaves it",
        "prefix_node.py",
        "self.rest = max(self.rest - probability, 0.0) if self.rest_count else 0.0",
        "self.rest = self.rest",
        (LISTED,),
    ),
    Mutant(
        "a prefix that the tree had no room for lowers the bounds above it",
        "tree.py",
        "            if not self._is_attached(path, depth):\n                return\n",
        "",
        (LISTED,),
    ),
    Mutant(
        "a text that a checker refuses is learnt as one more that is valid",
        "walk.py",
        "self._tree.learn(walk.path, 0.0, 0.0)",
        "self._tree.learn(walk.path, 1.0, 1.0)",
        (BOUNDS,),
    ),
    Mutant(
        "the bound at the root is left out of the weight",
        "walk.py",
        "return walk.ended(walk.start * walk.weight *",
        "return walk.ended(walk.weight *",
        (LISTED,),
    ),
    Mutant(
        "the multiplier of a beam's draw is forgotten",
        "beam.py",
        "one.log_multiplier - math.log(chance) - more,",
        "one.log_multiplier - more,",
        (BEAMS,),
    ),
    Mutant(
        "the multiplier of a draw from the rest is forgotten",
        "beam.py",
        "one.log_multiplier - math.log(chance) - more,",
        "one.log_multiplier - math.log(chance),",
        (BEAMS,),
    ),
    Mutant(
        "a beam finds known texts again",
        "beam.py",
        "if node.end_upper - node.end_lower <= 0.0 or node.end <= 0.0:",
        "if node.end <= 0.0:",
        (BEAMS,),
    ),
    Mutant(
        "a beam's draw counts as if nothing else could be kept",
        "methods/beams.py",
        "self._shares: Floats = shares[self._before] - shares[:-1]",
        "self._shares: Floats = shares[self._before]",
        ("test_intervals.py::test_a_draw_adds_what_else_could_have_been_kept",),
    ),
    Mutant(
        "a beam's systematic draws begin at the middle",
        "beam.py",
        "counts = np.ceil(np.append(0.0, sums) - self._random.random())",
        "counts = np.ceil(np.append(0.0, sums) - 0.5)",
        (BEAMS,),
    ),
    Mutant(
        "adaptive rejection takes the mass that is left for the valid mass",
        "methods/awrs.py",
        "mass = 1 / inverses if inverses > 0 else 0.0",
        "mass = left.mass",
        ("test_enumerated.py::test_all_draws_of_adaptive_rejection_have_the_masses_of_the_target",),
    ),
    Mutant(
        "the seed is ignored by walks",
        "walk.py",
        "= seed & ((1 << 64) - 1), 0",
        "= 0, 0",
        ("test_door.py::test_equal_seeds_give_equal_draws_and_others_do_not",),
    ),
    Mutant(
        "the seed is ignored by particles",
        "methods/smc.py",
        "key=[run.seed, i]",
        "key=[0, i]",
        ("test_door.py::test_equal_seeds_give_equal_draws_and_others_do_not",),
    ),
    Mutant(
        "all runs of particles draw the same",
        "methods/smc.py",
        "key=[run.seed, i]",
        "key=[run.seed, 0]",
        ("test_door.py::test_runs_of_particles_are_independent",),
    ),
    Mutant(
        "rejected walks are left out of the estimate of Z",
        "run_limits.py",
        "np.array([attempt.bound for attempt in attempts])",
        "np.array([attempt.bound for attempt in valid])",
        ("test_laws.py::test_exact_methods_draw_from_the_target",),
    ),
    Mutant(
        "the last of n texts counts in the estimate of Z",
        "estimates.py",
        "estimate = (accepted - 1) / (sums - inverses[-1]) if stopped else accepted / sums",
        "estimate = accepted / sums",
        ("test_laws.py::test_z_is_not_overestimated_by_stopping_at_the_last_wanted_text",),
    ),
    Mutant(
        "weights of a run that stops at the n-th text are not corrected",
        "run_limits.py",
        "if stopped else max(len(attempts), 1)",
        "if stopped and False else max(len(attempts), 1)",
        ("test_intervals.py::test_importance_that_stops_at_n_draws_is_unbiased",),
    ),
    Mutant(
        "an interval is cut at one bound only",
        "estimates.py",
        "return min(max(value, low), high)",
        "return max(value, low)",
        ("test_intervals.py::test_an_interval_is_cut_to_both_proven_bounds",),
    ),
    Mutant(
        "a rejected walk counts as a draw",
        "run_limits.py",
        "left -= found[kept].weight > 0",
        "left -= 1",
        (PLACES,),
    ),
    Mutant(
        "the fingerprint of a tree leaves out the temperature",
        "problem.py",
        '        "temperature": target.temperature,\n',
        "",
        ("test_tree_file.py::test_a_tree_of_another_target_is_refused",),
    ),
    Mutant(
        "values are drawn anew without their weights",
        "samples.py",
        "draws.choice(len(self.values), count, p=self.weights)",
        "draws.choice(len(self.values), count)",
        ("test_door.py::test_resampling_follows_the_weights",),
    ),
)
