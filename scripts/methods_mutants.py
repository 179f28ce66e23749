"""Faults of published methods, seeded one at a time into a copy: each must turn the law of its method red.

docs/methods.md names for each method the test that states its law. A method whose law another list here turns
red (sampling_mutants, speculation_mutants, strategy_mutants) is not listed again. A mutant that stays green
is a fault that the law does not see.
"""

from __future__ import annotations

from mutants import Mutant

SCHEDULERS = "infilling/schedulers.py"
MIXED = "strategies/test_mixtures.py::test_the_law_of_texts_is_the_formulas"
VERIFIED = (
    "test_verifiers.py::test_each_verifier_draws_from_the_masked_target_and_accepts_as_its_closed_form_says"
)

PACKAGE = (
    Mutant(
        "masking throws coins, as rejection does",
        "samplers/methods/walks.py",
        '"masked": (Finish.IGNORE, False)',
        '"masked": (Finish.COIN, False)',
        ("samplers/test_laws.py::test_masked_draws_have_the_law_of_masking_and_not_the_target",),
    ),
    Mutant(
        "a walk leaves nothing in the tree",
        "samplers/walk.py",
        "        if known is None:\n            self._tree.attach(walk.path, walk.node)\n",
        "",
        ("samplers/test_enumerated.py::test_the_law_of_asap_given_its_tree_is_that_of_the_paper",),
    ),
    Mutant(
        "tempered weights leave half of the draws",
        "samplers/methods/auto.py",
        "is_enough = carriers(normalised(middle * log_weights)) >= SHARE *",
        "is_enough = carriers(normalised(middle * log_weights)) >= 0.5 *",
        (
            "samplers/test_intervals.py::"
            "test_weights_are_raised_to_the_greatest_power_that_leaves_the_share_of_draws",
        ),
    ),
    Mutant(
        "a chain takes a proposal that is likelier, and no other",
        "samplers/methods/mcmc.py",
        "if chance.random() * state.weight < proposal.weight:",
        "if state.weight < proposal.weight:",
        ("samplers/test_mcmc.py::test_the_law_of_the_draws_is_that_of_the_chain",),
    ),
    Mutant(
        "an expert forgets the end of the text",
        "samplers/targets/expert.py",
        "return self.power * sum(self._law(written.tokens))",
        "return self.power * self._law(written.tokens)[0]",
        ("samplers/test_potentials.py::test_a_product_of_models_has_the_product_of_their_laws",),
    ),
    Mutant(
        "top-p keeps one token too few",
        "samplers/targets/truncation.py",
        "self.top_p - _ROUNDING)) + 1",
        "self.top_p - _ROUNDING)) or 1",
        ("samplers/test_potentials.py::test_truncation_keeps_what_its_definition_says",),
    ),
    Mutant(
        "the search for the likeliest texts ends at the first one",
        "samplers/exact_spans/most_probable.py",
        "return self._ended[self._k - 1][0] if len(self._ended) >= self._k else math.inf",
        "return self._ended[0][0] if self._ended else math.inf",
        (
            "samplers/test_most_probable.py::"
            "test_the_likeliest_texts_of_random_languages_are_those_of_enumeration",
        ),
    ),
    Mutant(
        "long beginnings of sentences score less",
        "samplers/exact_spans/cite.py",
        "done += [(total / length, at) for at in ended]",
        "done += [(total, at) for at in ended]",
        ("samplers/test_cite.py::test_one_span_is_that_of_brute_force",),
    ),
    Mutant(
        "all wrong texts are accepted",
        "samplers/report.py",
        "wrong = (1 - right) * false_accepts",
        "wrong = 1 - right",
        ("samplers/test_sample_pages.py::test_the_ceiling_is_that_of_bayes",),
    ),
    Mutant(
        "forced bytes are drafted one token for each byte",
        "speculation/drafters/grammar_tree.py",
        "tokens = list(tokenizer.encode(data)) if data else []",
        "tokens = [one for byte in data for one in tokenizer.encode(bytes((byte,)))]",
        ("speculation/test_drafters.py::test_forced_bytes_are_split_as_the_tokenizer_splits_them",),
    ),
    Mutant(
        "short contexts count as much as long ones",
        "speculation/drafters/ngrams.py",
        "                left *= 1.0 - share\n",
        "",
        ("speculation/test_ngrams.py::test_what_follows_a_context_is_what_brute_force_finds",),
    ),
    Mutant(
        "answers to all schemas are followed",
        "speculation/drafters/answer_history.py",
        "for held, answer in self._held if held == key]",
        "for held, answer in self._held if held[0] == key[0]]",
        ("speculation/test_drafters.py::test_earlier_answers_are_followed_from_the_first_token_on",),
    ),
    Mutant(
        "a draft model drafts its least likely tokens",
        "speculation/drafters/draft_model.py",
        "best = np.argpartition(-values, self._branches - 1)",
        "best = np.argpartition(values, self._branches - 1)",
        (
            "speculation/test_draft_model.py::"
            "test_a_chain_is_the_small_models_own_greedy_text_under_the_grammar",
        ),
    ),
    Mutant(
        "a draft whose first token is known adds nothing",
        "speculation/planning/drafting.py",
        "            node = places[i] = self.add(above, token",
        "            elif above < 0:\n                continue\n"
        "            node = places[i] = self.add(above, token",
        ("speculation/test_draft_trees.py::test_a_fused_tree_is_the_union_of_its_drafts",),
    ),
    Mutant(
        "a plan has the most expected tokens, whatever their time",
        "speculation/planning/speculator.py",
        "best = int(np.argmax(expected / (seconds + row * np.arange(len(ranked) + 1))))",
        "best = int(np.argmax(expected))",
        ("speculation/test_draft_trees.py::test_the_plan_is_the_best_of_all_parts",),
    ),
    Mutant(
        "the last law of a context replaces the mean",
        "speculation/drafters/seen_laws.py",
        "self._laws[key] = count + 1, dict(best)",
        "self._laws[key] = 0, dict(best)",
        (
            "speculation/test_seen_laws.py::"
            "test_behind_a_context_is_the_mean_of_the_laws_of_its_longest_known_end",
        ),
    ),
    Mutant(
        "sums of a lattice have the value of its best filling",
        "infilling/lattice.py",
        "sets = (_log_sums if is_sum else _maxima)(",
        "sets = _maxima(",
        ("infilling/test_lattice.py::test_a_lattice_says_what_the_list_of_all_fillings_says",),
    ),
    Mutant(
        "a confident prefix knows one threshold alone",
        SCHEDULERS,
        '        checks.number("sure", self.sure, 0.0, 1.0, "a probability")\n',
        '        object.__setattr__(self, "sure", 0.5)\n',
        (
            "infilling/test_schedulers.py::"
            "test_a_confident_prefix_ends_before_a_slot_that_is_not_sure_and_with_its_block",
        ),
    ),
    Mutant(
        "the slot that a step has filled does not count in its window",
        SCHEDULERS,
        "window = (self.window or 2 * self.tokens_per_step - 1) - view.led",
        "window = self.window or 2 * self.tokens_per_step - 1",
        ("infilling/test_schedulers.py::test_left_to_right_takes_the_surest_of_its_window",),
    ),
    Mutant(
        "the least sure slots come first",
        SCHEDULERS,
        "        return view.most(view.confidence, self.tokens_per_step)\n",
        "        return view.most(-view.confidence, self.tokens_per_step)\n",
        (
            "infilling/test_laws_of_schedulers.py::"
            "test_surest_first_favours_the_likely_tokens_of_independent_slots",
        ),
    ),
    Mutant(
        "blocks are filled from the right",
        SCHEDULERS,
        "here = blocks == blocks.min()",
        "here = blocks == blocks.max()",
        ("infilling/test_schedulers.py::test_blocks_are_filled_from_the_left_one_after_another",),
    ),
    Mutant(
        "a slot that is just sure enough waits",
        SCHEDULERS,
        "view.confidence >= self.least",
        "view.confidence > self.least",
        ("infilling/test_schedulers.py::test_the_threshold_takes_all_that_reach_it",),
    ),
    Mutant(
        "the factor of a step is that of one slot less",
        SCHEDULERS,
        "(np.arange(len(ordered)) + 2) *",
        "(np.arange(len(ordered)) + 1) *",
        ("infilling/test_schedulers.py::test_the_factor_takes_the_most_slots_that_its_inequality_allows",),
    ),
    Mutant(
        "the greatest entropy counts against the bound",
        SCHEDULERS,
        "within = np.cumsum(ordered) - ordered <= self.bound",
        "within = np.cumsum(ordered) <= self.bound",
        ("infilling/test_schedulers.py::test_the_entropy_bound_takes_the_most_slots_within_it",),
    ),
    Mutant(
        "prophet's thresholds are those of the third before",
        SCHEDULERS,
        "self.gaps[min(int(3 * filled), 2)]",
        "self.gaps[max(int(3 * filled) - 1, 0)]",
        (
            "infilling/test_schedulers.py::"
            "test_prophet_takes_all_once_the_gap_reaches_the_threshold_of_its_third",
        ),
    ),
    Mutant(
        "freedave takes all slots of its guesses",
        SCHEDULERS,
        '"""Return what the other scheduler chooses; the denoising loop makes the drafts."""\n'
        "        return self.inner.choose(view)\n",
        '"""Return what the other scheduler chooses; the denoising loop makes the drafts."""\n'
        "        return np.ones(len(view.positions), np.bool_)\n",
        ("infilling/test_infill.py::test_freedave_gives_the_static_schedules_canvas_in_fewer_passes",),
    ),
    Mutant(
        "the likeliest slot is hit first",
        SCHEDULERS,
        "        chosen[int(view.chance.integers(len(chosen)))] = True\n",
        "        chosen[int(view.confidence.argmax())] = True\n",
        (
            "infilling/test_laws_of_schedulers.py::"
            "test_a_choice_that_the_draw_has_no_part_in_leaves_the_joint_law",
        ),
    ),
    Mutant(
        "mirostat's bound moves the wrong way",
        "engine/strategies/mirostat.py",
        "mu = min(mu - how.eta * (surprise - how.tau),",
        "mu = min(mu + how.eta * (surprise - how.tau),",
        ("strategies/test_mirostat.py::test_the_law_is_the_formulas",),
    ),
    Mutant(
        "a repetition of one token costs as much as one of two",
        "engine/strategies/momentum.py",
        "            length += 1\n        return _RESISTANCE[length]",
        "            length += 1\n        return _RESISTANCE[min(2 * length, 6)]",
        ("strategies/test_momentum.py::test_the_resistance_is_that_of_a_quadratic_twin",),
    ),
    Mutant(
        "guidance adds the other prompt",
        "engine/strategies/guidance.py",
        "(1.0 - self.scale) * bounded(others[0])",
        "(self.scale - 1.0) * bounded(others[0])",
        (MIXED,),
    ),
    Mutant(
        "contrast is where the model is sure",
        "engine/strategies/contrast.py",
        ".sum()) >= self.gate:",
        ".sum()) < self.gate:",
        (MIXED,),
    ),
    Mutant(
        "the small model is added",
        "engine/strategies/model_arithmetic.py",
        "bounded(own) - self.weight * bounded(others[0])",
        "bounded(own) + self.weight * bounded(others[0])",
        (MIXED,),
    ),
    Mutant(
        "the window of entropies holds their sum",
        "engine/composed_models/switched.py",
        "(sum(self.window) / len(self.window) if self.window else 0.0) > tau",
        "sum(self.window) > tau",
        ("strategies/test_switched.py::test_each_row_is_that_of_the_model_that_a_twin_has_in_charge",),
    ),
    Mutant(
        "one spelling stands for a value",
        "engine/searches/whole_values.py",
        "float(np.logaddexp.reduce([worth(*one) for one in some]))",
        "max(worth(*one) for one in some)",
        ("strategies/test_whole_values.py::test_the_likeliest_text_by_all_its_spellings_is_written",),
    ),
    Mutant(
        "the text may end inside a suggestion",
        "monitors/monitored_text.py",
        "if whole else allowed & ~self._without_bytes)",
        "if whole else allowed | self._without_bytes)",
        ("monitors/test_token_rule.py::test_masks_are_those_of_the_plain_rule",),
    ),
    Mutant(
        "a ban does nothing",
        "text_grammars/composition/bans.py",
        "    return banned(of, least)\n",
        "    return of\n",
        ("monitors/test_banned.py::test_the_law_under_a_ban_is_the_models_under_the_mask",),
    ),
    Mutant(
        "a state of spans is never split",
        "text_grammars/substrings.py",
        "if length[at] + 1 == length[target]:",
        "if length[at] + 1 <= length[target]:",
        ("text_grammars/test_spans.py::test_the_words_are_the_slices",),
    ),
    Mutant(
        "tokens of the store come whatever may follow them (compiled)",
        "lark_grammars/machine/lark_masks.py",
        "            if alive == 1:\n                if group.dense_row",
        "            if alive >= 0:\n                if group.dense_row",
        ("laws/test_lark_masks.py::test_a_token_is_allowed_exactly_where_an_accepted_text_goes_on_so",),
    ),
)
"""Files are those of structgen."""

METHODS = (
    Mutant(
        "successors are added to those before",
        "token_recycling.py",
        "self.successors[token] = [one for one in best if one >= 0]",
        "self.successors.setdefault(token, [one for one in best if one >= 0])",
        ("test_drafter_methods.py::test_recycling_knows_of_each_token_what_followed_it_last",),
    ),
    Mutant(
        "a search of one depth",
        "aded.py",
        "law = self.trigrams.law(here.pair) if here.depth < view.room else []",
        "law = self.trigrams.law(here.pair) if here.depth < 1 else []",
        ("test_drafter_methods.py::test_aded_searches_deeper_where_it_is_sure_and_wider_where_it_is_not",),
    ),
    Mutant(
        "the window stays where it was",
        "speculative_jacobi.py",
        "self.window = self.window[len(taken) :]",
        "self.window = self.window",
        ("test_drafter_methods.py::test_jacobi_takes_up_what_was_guessed_behind_refused_tokens",),
    ),
    Mutant(
        "a refused draft is followed by a draw from the target",
        "verifiers/single_draft.py",
        "left = np.maximum(p - q, 0.0)",
        "left = p",
        (VERIFIED,),
    ),
    Mutant(
        "each of k drafts is accepted as a single one",
        "verifiers/spectr.py",
        "if random.random() * r * q[draft] < p[draft]:",
        "if random.random() * q[draft] < p[draft]:",
        (VERIFIED,),
    ),
    Mutant(
        "the second draft is compared with the first one's target",
        "verifiers/recursive_rejection.py",
        "        p, q = _refused(p, q, draft)\n",
        "        q = _refused(p, q, draft)[1]\n",
        (VERIFIED,),
    ),
    Mutant(
        "the optimum of k drafts is that of one",
        "verifiers/optimal_transport.py",
        "np.cumsum(q[order]) ** k",
        "np.cumsum(q[order])",
        ("test_verifiers.py::test_the_closed_form_of_the_optimum_is_that_of_the_program",),
    ),
    Mutant(
        "the likeliest token of a slot is left out",
        "aggressive_block.py",
        "np.argsort(-shares)[:BRANCHES]",
        "np.argsort(-shares)[1:BRANCHES]",
        ("test_drafter_methods.py::test_a_block_is_the_likeliest_allowed_token_of_each_slot",),
    ),
    Mutant(
        "what was drafted ahead is taken wherever the text went",
        "pearl.py",
        "guessed[: len(self.text)] == self.text:",
        "ready:",
        (
            "test_drafter_methods.py::"
            "test_pearl_drafts_what_the_small_model_writes_whether_or_not_it_drafted_ahead",
        ),
    ),
    Mutant(
        "all layers but the skipped ones are left out",
        "layer_skipping.py",
        "if at not in skipped]",
        "if at in skipped]",
        ("test_drafter_methods.py::test_a_model_that_skips_nothing_is_the_model_and_fixed_sets_are_spread",),
    ),
    Mutant(
        "a guess is worth its row whatever others bring",
        "specdec_head.py",
        "if reach < row * tokens / time:",
        "if reach < row:",
        (
            "test_drafter_methods.py::"
            "test_as_many_guesses_are_worth_their_rows_as_give_the_most_tokens_for_the_time",
        ),
    ),
    Mutant(
        "each token of a path is compared by itself",
        "pruned_retrieval.py",
        "share = reach[parent] * self._share(",
        "share = self._share(",
        ("test_drafter_methods.py::test_pruned_retrieval_keeps_the_paths_that_the_small_model_finds_likely",),
    ),
    Mutant(
        "slots far from an anchor are sure enough, too",
        "local_leap.py",
        "is_near = (distance <= self.radius).any(axis=1)",
        "is_near = (distance >= 0).any(axis=1)",
        ("test_method_schedulers.py::test_slots_near_an_anchor_need_less",),
    ),
    Mutant(
        "credit does not fade",
        "credit_decoding.py",
        "credit = {token: self.beta * c for",
        "credit = {token: c for",
        ("test_method_schedulers.py::test_credit_is_a_fading_sum_over_steps",),
    ),
    Mutant(
        "a block ends at the first end of a member",
        "ada_block.py",
        "at = int(np.argmax(np.where(may, view.confidence, -1.0)))",
        "at = int(np.argmax(may))",
        ("test_method_schedulers.py::test_a_block_ends_at_the_surest_end_of_a_member_within_the_window",),
    ),
    Mutant(
        "all slots are less sure, not the empty ones alone",
        "eos_rejection.py",
        "np.where(view.is_null, g, 1.0)",
        "g",
        ("test_method_schedulers.py::test_the_end_of_the_text_is_believed_late",),
    ),
    Mutant(
        "the last law of a slot is believed",
        "coherent_contextual.py",
        "told <= self.information and mean[token] >= self.sure",
        "laws[-1][token] >= self.sure",
        ("test_method_schedulers.py::test_a_slot_waits_while_its_laws_disagree",),
    ),
    Mutant(
        "a filter stops after one step of Newton's",
        "learn2pd.py",
        "for _ in range(rounds):",
        "for _ in range(1):",
        ("test_method_schedulers.py::test_a_filter_finds_the_law_of_its_labels",),
    ),
    Mutant(
        "a new item may come twice",
        "list_operations.py",
        "others = (1.0 - 1.0 / left) ** (n - 1)",
        "others = 1.0",
        ("test_list_operations.py::test_the_closed_form_is_the_sum_over_all_draws",),
    ),
    Mutant(
        "the greatest logits are left out of log Z",
        "context_free_fill.py",
        "return math.log(total) + float(self._tops().sum())",
        "return math.log(total)",
        ("test_context_free_fill.py::test_sums_are_those_of_all_listed_fillings",),
    ),
    Mutant(
        "the filter is asked of all empty slots but the first",
        "learn2pd.py",
        "(before != NULL)",
        "(before == NULL)",
        ("test_learned_schedulers.py::test_with_end_of_text_prediction_the_first_empty_slot_stands_for_all",),
    ),
    Mutant(
        "certainty is of hotter laws",
        "dparallel.py",
        "goal] / TEMPERATURE",
        "goal] * TEMPERATURE",
        (
            "test_learned_schedulers.py::"
            "test_the_loss_is_cross_entropy_and_the_entropy_of_squares_of_what_is_right",
        ),
    ),
    Mutant(
        "weight is learnt for what the grammar forbids",
        "distillation.py",
        "logits.masked_fill(~allowed, -1e9)",
        "logits",
        ("test_distilled_drafts.py::test_no_weight_is_learnt_for_what_the_grammar_forbids",),
    ),
    Mutant(
        "a draft begins as if nothing was written",
        "distilled_draft.py",
        "self.states = {(): self.state_behind(self.unread)}",
        "self.states = {(): self.network.start()}",
        ("test_distilled_drafts.py::test_the_tree_has_the_laws_of_the_network_read_anew_under_the_mask",),
    ),
    Mutant(
        "each refused node teaches the law of the first",
        "online_draft.py",
        "seen.tokens[node + 1]",
        "seen.tokens[0]",
        ("test_distilled_drafts.py::test_online_drafts_learn_the_law_where_the_text_left_the_draft",),
    ),
    Mutant(
        "rules of a loop are left out",
        "written_rules.py",
        "found[tail] = loops + [(*one, tail) for one in loops]",
        "found[tail] = loops",
        ("test_written_rules.py::test_rules_have_the_texts_of_the_compiled_grammar",),
    ),
    Mutant(
        "a schema that comes again is a text",
        "schema_rules.py",
        "if text.startswith(_MARK.encode()):",
        "if False:",
        ("test_written_rules.py::test_rules_of_a_recursive_schema_take_its_values_and_no_others",),
    ),
)
"""Files are those of bench/methods."""
