"""Faults of the kernels, seeded one at a time into a copy of them: each must turn a test red.

A mutant that stays green is a test that is missing. Faults of results are met under Triton's interpreter,
faults of speed in the assembly; a process does one or the other.
"""

from __future__ import annotations

from mutants import Mutant

MASKS = "interpreted_masking.py::"
SAMPLES = "interpreted_sampling.py::"
STEPS = "interpreted_steps.py::"
ASSEMBLY = "test_kernel_assembly.py::"

SAME_MASKS = f"{MASKS}test_kernel_and_twin_are_equal_over_types_and_widths"
UNIONS = f"{MASKS}test_unions_of_store_rows_are_those_of_the_twin"
SAME_DRAWS = f"{SAMPLES}test_kernel_and_twin_draw_the_same_over_types_widths_and_masks"
FILTERS = f"{SAMPLES}test_filters_keep_what_the_twin_keeps"
FIGURES = f"{SAMPLES}test_figures_of_a_draw_are_those_of_numpy"
FAR_BELOW = f"{SAMPLES}test_allowed_logits_far_below_the_others_keep_the_digits_of_their_sum"
PLAIN = f"{STEPS}test_draws_along_a_tree_are_those_of_plain_decoding"

INTERPRETED = (
    # --- masks
    Mutant(
        "the lowest bit of a byte is its last token",
        "triton_masking.py",
        "((bits >> bit) & 1) != 0",
        "((bits >> (7 - bit)) & 1) != 0",
        (SAME_MASKS,),
    ),
    Mutant(
        "bytes that allow some tokens are not read before they are written",
        "triton_masking.py",
        "is_read = (bits != 0)[:, None]",
        "is_read = (bits == 255)[:, None]",
        (SAME_MASKS,),
    ),
    Mutant(
        "tokens past the end of a mask are allowed",
        "triton_masking.py",
        "mask=byte < masks.row_bytes, other=0)",
        "mask=byte < masks.row_bytes, other=255)",
        (f"{MASKS}test_tokens_past_the_end_of_a_mask_are_not_allowed_and_bits_past_the_logits_ignored",),
    ),
    Mutant(
        "addresses of rows are made in 32 bits",
        "triton_masking.py",
        "    row = line.to(tl.int64)\n",
        "    row = line.to(tl.int32)\n",
        (f"{MASKS}test_rows_that_lie_past_two_to_the_31st_element_are_masked",),
    ),
    Mutant(
        "addresses of columns are made in 32 bits",
        "triton_masking.py",
        "token.to(tl.int64) * logits.column_stride",
        "token * logits.column_stride",
        (f"{MASKS}test_rows_that_lie_past_two_to_the_31st_element_are_masked",),
    ),
    Mutant(
        "addresses of store rows are made in 32 bits",
        "triton_masking.py",
        "tl.load(masks.indices + line * ROWS + k).to(tl.int64)",
        "tl.load(masks.indices + line * ROWS + k).to(tl.int32)",
        (f"{MASKS}test_rows_of_a_store_past_two_to_the_31st_byte_are_read",),
    ),
    Mutant(
        "an overlay is looked for under its number in the store",
        "triton_masking.py",
        "extra = row - masks.store_rows",
        "extra = row",
        (UNIONS,),
    ),
    Mutant(
        "of a union the last row alone counts",
        "triton_masking.py",
        "            bits |= tl.load",
        "            bits = tl.load",
        (UNIONS,),
    ),
    Mutant(
        "a row that is not there stands for row 0",
        "triton_masking.py",
        "tl.where(is_row, logits.width, 0)",
        "logits.width",
        (f"{MASKS}test_numbers_that_name_no_row_allow_nothing_and_rows_that_are_not_there_are_skipped",),
    ),
    Mutant(
        "logits whose rows overlap are masked",
        "checks.py",
        "if (r < rows and c < width) or",
        "if (row == 0 and rows > 1) or",
        (f"{MASKS}test_bad_input_is_named_and_mended",),
    ),
    Mutant(
        "a GPU without Triton is said each time",
        "checks.py",
        "@functools.cache\ndef _say_without_triton",
        "def _say_without_triton",
        (f"{MASKS}test_a_gpu_without_triton_takes_the_twin_and_says_so_once",),
    ),
    # --- draws
    Mutant(
        "a tile has the noise of a token",
        "triton_sampling.py",
        "noise_word(key, -1 - tile.to(tl.int64))",
        "noise_word(key, 1 + tile.to(tl.int64))",
        (SAME_DRAWS,),
    ),
    Mutant(
        "every position has the same noise",
        "triton_sampling.py",
        "mixed(seed + position + tl.full",
        "mixed(seed + tl.full",
        (SAME_DRAWS,),
    ),
    Mutant(
        "the noise of a row depends on its place in the batch",
        "triton_sampling.py",
        "    key = noise_key(seeds, positions, line)\n",
        "    key = noise_key(seeds, positions, line) + line.to(tl.uint64)\n",
        (f"{SAMPLES}test_each_row_has_its_own_options_and_a_draw_does_not_depend_on_the_batch",),
    ),
    Mutant(
        "the sum of the allowed is relative to the greatest of all",
        "triton_sampling.py",
        "        allowed_total *= tl.exp(tl.minimum(gap, _FAR))\n",
        "",
        (FAR_BELOW,),
    ),
    Mutant(
        "allowed logits far below the others vanish",
        "triton_sampling.py",
        "if tl.max(gap, 0) > _FAR:",
        "if tl.max(gap, 0) > 1e9:",
        (FAR_BELOW,),
    ),
    Mutant(
        "a row with NaN gets a token",
        "triton_sampling.py",
        "is_faulty = total != total",
        "is_faulty = total < 0.0",
        (f"{SAMPLES}test_a_row_with_nothing_possible_gets_no_token",),
    ),
    Mutant(
        "temperatures below 1 do not count for tiles",
        "triton_sampling.py",
        "(temperature != 1.0)",
        "(temperature > 1.0)",
        (f"{SAMPLES}test_a_tile_is_drawn_by_its_sum_at_the_temperature",),
    ),
    Mutant(
        "bits past the end of the logits are counted",
        "triton_sampling.py",
        "ones(bits & ((1 << inside) - 1))",
        "ones(bits)",
        (f"{SAMPLES}test_masks_may_be_narrower_and_wider_than_the_logits",),
    ),
    Mutant(
        "the likeliest token is that of the drawn tile",
        "triton_sampling.py",
        "best = tl.argmax(tops, 0, tie_break_left=True)",
        "best = tl.argmax(allowed_tops, 0, tie_break_left=True)",
        (SAME_DRAWS, FIGURES),
    ),
    Mutant(
        "the log-probability is that of the likeliest token",
        "triton_sampling.py",
        "tl.sum(tl.where(within == choice, x, 0.0), 0).to(tl.float64) - whole",
        "top - whole",
        (FIGURES,),
    ),
    Mutant(
        "of tokens that tie at the threshold one too many is kept",
        "triton_sampling.py",
        "(is_equal != 0) & (rank < tied)",
        "(is_equal != 0) & (rank <= tied)",
        (f"{SAMPLES}test_of_equal_tokens_top_k_keeps_the_smallest_ids",),
    ),
    Mutant(
        "ties in earlier tiles are forgotten",
        "triton_sampling.py",
        "seen += equals",
        "seen += equals - equals",
        (FILTERS,),
    ),
    Mutant(
        "the token that reaches the mass of top-p is left out",
        "triton_sampling.py",
        "few = tl.maximum(tl.ceil((top_p * whole - above) / each), 1.0)",
        "few = tl.maximum(tl.floor((top_p * whole - above) / each), 0.0)",
        (FILTERS,),
    ),
    Mutant(
        "tiles that hold tokens above the threshold of min-p are skipped",
        "triton_sampling.py",
        "return bound - 1e-5 *",
        "return bound + 0.2 *",
        (FILTERS, f"{SAMPLES}test_min_p_alone_skips_the_tiles_that_it_leaves_out"),
    ),
    Mutant(
        "candidates are written one place too far",
        "triton_sampling.py",
        "tl.cumsum(is_one, 0) - is_one, x",
        "tl.cumsum(is_one, 0), x",
        (FILTERS,),
    ),
    Mutant(
        "a seed that is no whole number is cut off",
        "checks.py",
        "(is_whole and values != int(values))",
        "False",
        (f"{SAMPLES}test_bad_options_are_named_and_mended",),
    ),
    # --- trees and automata
    Mutant(
        "a token behind another node is accepted",
        "triton_trees.py",
        "(parent == at) & (token == want)",
        "(token == want)",
        (f"{STEPS}test_kernel_and_twin_accept_the_same_paths",),
    ),
    Mutant(
        "no token is a child's token",
        "triton_trees.py",
        " & (want >= 0)",
        "",
        (
            f"{STEPS}test_a_token_that_was_not_possible_is_no_childs_and_a_node_without_a_mask_is_not_accepted",
        ),
    ),
    Mutant(
        "all nodes of a tree draw with the noise of the first",
        "triton_trees.py",
        "depth += is_going.to(tl.int64)",
        "depth += 0",
        (PLAIN,),
    ),
    Mutant(
        "all trees draw with the options of the first",
        "triton_trees.py",
        "tl.store(owners + place, tree, mask=inside)",
        "tl.store(owners + place, tree - tree, mask=inside)",
        (PLAIN,),
    ),
    Mutant(
        "all lines follow the first automaton",
        "triton_automata.py",
        "token_class + which * width + token",
        "token_class + token",
        (f"{STEPS}test_kernel_and_twin_step_alike",),
    ),
    Mutant(
        "a state has the store rows of the state before",
        "triton_automata.py",
        "row = tl.load(state_rows + state * ROWS + k",
        "row = tl.load(state_rows + tl.maximum(state - 1, 0) * ROWS + k",
        (
            f"{STEPS}test_kernel_and_twin_step_alike",
            f"{STEPS}test_a_grammar_is_decoded_on_the_device_as_with_a_matcher_on_the_cpu",
        ),
    ),
)

COMPILED = (
    Mutant(
        "each token that is forbidden is stored by itself",
        "triton_masking.py",
        "is_written = (bits != 255)[:, None] & inside",
        "is_written = (is_set(bits[:, None], bit[None, :]) == 0) & inside",
        (f"{ASSEMBLY}test_masking_reads_and_writes_16_bytes_at_a_time",),
    ),
    Mutant(
        "the mask is read once for each logit",
        "triton_sampling.py",
        "is_allowed = is_set(bits[:, :, None], bit[None, None, :])",
        "is_allowed = is_set(allowed_bytes(masks, line, token // 8, ROWS), bit[None, None, :])",
        (f"{ASSEMBLY}test_a_draw_reads_each_logit_once_in_16_bytes_and_then_two_tiles",),
    ),
    Mutant(
        "programs have too few warps for their registers",
        "triton_sampling.py",
        "SUMS_WARPS = THRESHOLD_WARPS = 8",
        "SUMS_WARPS = THRESHOLD_WARPS = 4",
        (
            f"{ASSEMBLY}test_a_draw_reads_each_logit_once_in_16_bytes_and_then_two_tiles",
            f"{ASSEMBLY}test_filters_use_no_local_memory",
        ),
    ),
    Mutant(
        "min-p alone makes thresholds, which needs a third read",
        "sampling.py",
        "has_threshold = options.top_k is not None or options.top_p is not None",
        "has_threshold = not all(one is None for one in options[1:4])",
        (f"{ASSEMBLY}test_min_p_alone_needs_no_threshold_and_so_one_read_less",),
    ),
    Mutant(
        "a kernel does not compile for one line",
        "triton_automata.py",
        "        token_at += step_stride\n",
        "        token_at += step_stride.to(tl.int64)\n",
        (f"{ASSEMBLY}test_kernels_compile_for_a_single_line",),
    ),
)
