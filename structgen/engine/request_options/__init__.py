"""Options of whatever asks a model: checks of values, and which options exclude one another."""
