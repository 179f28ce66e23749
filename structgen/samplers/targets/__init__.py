"""Other targets than the law of one model: `truncation` cuts the law of each token, and `expert`
multiplies it by the law of another model."""
