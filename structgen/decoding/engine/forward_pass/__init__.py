"""Our own forward pass: a Llama in the memory of the CPU, whose results do not depend on the batch.

What comes in: weights, and the tokens of any texts. What goes out: logits to the bit the same, alone and in
any batch.

1. `llama.Llama` is the door: the engine's protocol for models, caches in pages, rows divided among threads.
   `kept_prompts` keeps pages of earlier prompts and texts.
2. `forward` is the compiled pass over rows; `paged_attention` is its attention, `tiles` are its products,
   whose instructions `tile_code` writes.
3. `weights` reads a folder of transformers; `gguf_models` and `gguf_header` read files of llama.cpp.
4. `draft_trees` checks trees of guesses, also for other models; `quiet_loading` reads by transformers without
   its notices.
"""
