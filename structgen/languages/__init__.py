"""Languages that are no JSON: read symbol by symbol, compiled by `compiled_text`."""
