"""The forward pass of a Llama: the same text gives the same logits in any batch.

`engine.llama` chooses between two passes over the same `weights`. On the CPU `compiled_pass` runs `forward`,
compiled, over keys and values in pages (`key_value_pages`, `paged_attention`, `tiles`). Elsewhere
`torch_pass` runs operations of torch over `key_value_slabs` (`slab_attention`).
"""
