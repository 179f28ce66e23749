"""Tokenizers, and masks over their tokens.

What comes in: a tokenizer file, folder or object. What goes out: the bytes of every token, as a trie.

1. `tokenizer.Tokenizer` has the bytes of each token, the special tokens, and the end tokens.
   `tokenizer_sources` recognises the kind of its argument; `tokenizer_json`, `sentencepiece_model` and
   `tekken` read the file formats; `encoders` turn text into tokens.
2. `trie` is the byte trie of a vocabulary as flat arrays in depth-first order: a subtree is a range.
   `trie_nodes` decodes the word of a node.
3. `vocabulary.Vocabulary` is the trie with all arrays of compiled walks; it is made once, then read from
   a file.
4. `token_mask` is a mask: one bit for each token, in rows of int32.

`token_prefixes` finds tokens by their beginnings, `control_tokens` are marks of chat templates,
`tokenizer_reading` is what each reader of a file returns.
"""
