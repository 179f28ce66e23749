"""States and masks: what a compiled grammar is, whatever its kind, and the machine of JSON texts."""
