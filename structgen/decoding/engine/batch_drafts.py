"""Speculation in the loop: drafters guess tokens of a batch's texts, and one pass of the model checks them.

A *drafter* guesses the next tokens of a text. A *draft* is a tree of guesses; each guess is a *node*.

The pass gives logits for each node of a draft, and a mask is filled for each. If a chosen token is a guess,
the next one is chosen at its node (`Text.follows_draft`). Code, logits and noise are the same as without a
draft, so the tokens are the same, in fewer passes. The model then keeps the nodes of the accepted path.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import torch
from torch import Tensor

from structgen.decoding.engine.choice import Words, find_likeliest
from structgen.decoding.engine.model_faults import wrap_model_error
from structgen.decoding.engine.model_protocol import Model, verifier_of
from structgen.decoding.engine.text import Text
from structgen.decoding.speculation.drafts.draft import NO_DRAFT, Draft
from structgen.decoding.speculation.drafts.drafter import DraftContext, VerifiedDraft
from structgen.decoding.speculation.planning.drafting import Drafting
from structgen.decoding.speculation.planning.speculator import Speculator


class BatchDrafts:
    """The drafts of an engine's batches. What passes cost is learnt from all of its texts."""

    def __init__(self, model: Model, ends: frozenset[int]) -> None:
        self._ends = ends
        """The ids of the tokenizer's end tokens."""
        self._verifier = verifier_of(model)
        self.speculator = Speculator()

    def propose_drafts(self, texts: Sequence[Text]) -> Sequence[Draft]:
        """Return the draft after the last token of each text; () if all are empty."""
        guess_limits = [text.decided_text.most_guesses for text in texts]
        if not any(guess_limits):
            return ()
        drafting_texts = [text for text in texts if text.decided_text.most_guesses]
        kinds: frozenset[Hashable] = frozenset(
            speculation.kind
            for text in drafting_texts
            if (speculation := text.start.request.drafts) is not None
        )
        # This is asked before any drafter works: if drafts do not pay for this batch, they cost nothing.
        if not self.speculator.wants_drafts(len(texts), kinds):
            return ()
        draftings = [
            self._update_drafting(text) if text.decided_text.most_guesses else None for text in texts
        ]
        # the engine has checked that prompt, thoughts and max_tokens fit into the context together
        views = [
            DraftContext(text.all_tokens, text.matcher, text.max_tokens - len(text.tokens), self._ends)
            for text in texts
        ]
        drafts = self.speculator.propose_drafts(draftings, views, guess_limits)
        for text, draft in zip(texts, drafts, strict=True):
            text.usage.drafted += len(draft)
        return drafts if any(map(len, drafts)) else ()

    def _update_drafting(self, text: Text) -> Drafting | None:
        """Return the drafters of a text, after they have got all its tokens so far; None: it has none."""
        if text.drafts is None and text.start.drafts is not None:
            try:
                text.drafts = text.start.drafts()
            except Exception as error:  # any error of a drafter: the text continues without drafts
                stop_drafting(text, f"no drafter could be made: {type(error).__name__}: {error}")
        if text.drafts is not None:
            text.drafts.follow_text(text.all_tokens, text.accepted_count)
        return text.drafts

    def read_drafts(self, texts: Sequence[Text], drafts: Sequence[Draft]) -> Tensor:
        """Return the logits of one pass: for each text a row after its last token, and one after each of its
        guesses. Raises errors of the model."""
        assert self._verifier is not None
        tokens: list[int] = []
        parents: list[int] = []
        # The last token of the text is the root, number 0: so the numbers of the draft's nodes grow by one.
        for text, draft in zip(texts, drafts, strict=True):
            tokens += [text.last, *draft.tokens.tolist()]
            parents += [-1, *(draft.parents + 1).tolist()]
        counts = [1 + len(draft) for draft in drafts]
        caches = [text.cache for text in texts]
        return self._verifier.decode_tree(tokens, parents, counts, caches)

    def tell_drafters(self, texts: Sequence[Text], logits: Tensor, masks: Words, *, are_wider: bool) -> None:
        """Give the likeliest tokens after each node to the drafters that ask for them.

        This comes before the choice, which writes into the logits. `logits` and `masks` are those of the
        pass. `are_wider` says whether the logits have more columns than there are tokens, so that a free text
        needs its mask too. Cost: that of `find_likeliest` for each node, such as 10 us for a vocabulary of
        2,048 tokens. Texts whose drafters do not ask (`Drafting.top` is 0) cost nothing.
        """
        for text in texts:
            # below 0: the logits after the prompt are not in the tensor of the pass
            if text.drafts is None or not text.drafts.top or text.logit_row < 0:
                continue
            draft = NO_DRAFT if text.guesses is None else text.guesses.draft
            size = 1 + len(draft)
            is_free = text.matcher is None and text.phase is None and not are_wider
            mask = None if is_free else masks[text.mask_row : text.mask_row + size]
            node_logits = logits[text.logit_row : text.logit_row + size]
            best, ids = find_likeliest(node_logits, mask, text.drafts.top)
            # a row may have fewer allowed tokens than were asked for, and a guess may have no mask
            is_known = torch.isfinite(best).cpu()
            if text.guesses is not None:
                is_known &= torch.from_numpy(text.guesses.ready)[:, None]
            tokens = ids.cpu().where(is_known, -1).int().numpy()
            chances = best.cpu().exp().where(is_known, 0.0).numpy()
            text.drafts.tell_verified(VerifiedDraft(draft, tokens, chances))

    def keep_accepted(self, texts: Sequence[Text]) -> None:
        """Have the model keep the draft nodes that texts accepted. If the model fails, these texts get its
        error."""
        for text in texts:
            if text.drafts is not None:
                text.drafts.follow_text(text.all_tokens, text.accepted_count)
        drafted_texts = [text for text in texts if text.guesses is not None]
        paths = [text.guesses.path for text in texts if text.guesses is not None]
        if not drafted_texts:
            return
        assert self._verifier is not None
        try:
            self._verifier.keep(paths, [text.cache for text in drafted_texts])
        except Exception as error:  # any error of the model: the contents of the caches are unknown
            for text in drafted_texts:
                text.decide_error(wrap_model_error(error))
        for text in drafted_texts:
            text.guesses = None


def stop_drafting(text: Text, why: str) -> None:
    """Stop drafting for a text. `why` is the reason, which goes into `Usage.speculation`."""
    if text.decided_text.most_guesses:
        text.decided_text.most_guesses = 0
        text.usage.speculation = f"no more drafts: {why}"
