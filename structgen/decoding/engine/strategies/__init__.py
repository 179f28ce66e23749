"""Decoding strategies of a row: published changes of the law of the next token, each one file.

What comes in: the logits of a text, the tokens that the grammar's mask allows, and the tokens before. What
goes out: other logits for the same mask, from which the engine's one choice then draws. The mask, the budget,
the noise and the figures of a step stay as they are.

1. `strategy` has the kinds: a `Mixture` puts the logits behind another prompt into those of the model, before
   the mask; a `Narrowing` keeps some of the allowed tokens, behind it; `SearchStrategy` is for `searches`.
2. `mirostat` narrows, `guidance` mixes; `repetitions` closes values that repeat themselves.
3. `text_strategies` is the strategies of one text while it is written; `strategy_loading` begins them for a
   request, and reads the second rows of mixtures.
"""
