"""Decoding strategies of a row: published changes of the law of the next token, each one file.

What comes in: the logits of a text, the tokens that the grammar's mask allows, and the tokens before. What
goes out: other logits for the same mask, from which the engine's one choice then draws. The mask, the budget,
the noise and the figures of a step stay as they are.

1. `strategy` has the two kinds: a `Mixture` puts logits of further rows into those of the model, before the
   mask; a `Narrowing` keeps some of the allowed tokens, behind it.
2. `mirostat` and `momentum` narrow; `guidance`, `contrast` and `model_arithmetic` mix.
3. `text_strategies` is the strategies of one text while it is written; `second_rows` the further rows
   that models read for it; `strategy_loading` begins both for a request.
"""
