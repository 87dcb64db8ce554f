"""Lineage: how the key of each draw of a `Trace` is derived, and over which scopes it varies."""
