"""Tokenizers, and masks over their tokens.

What comes in: a tokenizer file, folder or object. What goes out: the bytes of every token, as a trie.

1. `tokenizer.Tokenizer` holds what each token writes, which tokens are special, which end a text.
   `tokenizer_sources` recognises what it is given; `tokenizer_json`, `sentencepiece_model` and `tekken` read
   the file formats; `encoders` turn text into tokens.
2. `trie` is the byte trie of a vocabulary as flat arrays in depth-first order. A subtree is a range.
   `trie_nodes` takes the word of a node apart.
3. `vocabulary.Vocabulary` is the trie with what compiled walks read; it is made once and then read from a
file.
4. `token_mask` is a mask: one bit for each token, in rows of int32.
5. `array_checks` checks arrays from files before compiled code follows the numbers in them.
"""
