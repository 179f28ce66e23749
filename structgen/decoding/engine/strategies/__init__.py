"""Published changes of the distribution of the next token, one in each file.

What comes in: the logits of a text, its tokens, its mask. What goes out: the scores that the token is drawn
from.

1. `strategy` has the three kinds of strategies, and their contracts.
2. `guidance` is a mixture of two prompts; `mirostat` drops tokens that are too surprising. Those that read
   ahead lie in `decoding/engine/searches`.
3. `text_strategies` has the state of one text, which the choice of a token asks. `strategy_loading` begins
   the strategies of a request, and has second prompts read.
4. `repetitions` is not a strategy: it finds values that repeat themselves, and decides when they are closed.
"""
