"""The forward pass of a Llama: the same text gives the same logits in any batch.

`llama` is the model, `weights` reads its folder. It runs `forward`, compiled, in the memory of the CPU, over
keys and values in pages (`paged_attention`, `tiles`). Any other model, and a Llama that
the compiled code does not serve, is run by transformers (`engine/huggingface.py`).

`gguf_models` with `gguf_header` reads models in llama.cpp's format; `quiet_loading` has transformers read
without notices; `draft_trees` checks drafts for all models.
"""
