"""Builds the facts that rules read, from a trace, its lineage and its computed keys."""
