"""Analyzes a traced program: lineage of its keys, computed keys, facts for rules, listings."""
