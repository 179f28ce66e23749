"""Speculative drafting under a grammar. Empty so far: this page says what the package will hold.

Structured output is predictable: keys, punctuation, repeated records, text copied from the prompt. A
drafter guesses the next tokens, the target model checks many guesses in one pass, and the accepted tokens
are exactly those of plain decoding.

What comes in: the tokens so far and a `Matcher`. What goes out: a draft tree, tokens with parents, for the
engine to verify. One file holds one drafter; the planner joins their trees and stops where the expected
gain falls under the measured cost.

The package stands below `structgen.engine`, whose loop verifies drafts, and above `structgen.batch`. It
needs numpy and matchers alone, no torch.
"""
