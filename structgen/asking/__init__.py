"""What people hand in: types, tools and requests become grammars; replies become values and calls."""
