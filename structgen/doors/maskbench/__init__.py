"""JSONSchemaBench replayed: every instance token by token, for our engine and for its peers."""

from __future__ import annotations
