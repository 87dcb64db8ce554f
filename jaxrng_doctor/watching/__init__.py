"""Watches a running program: examines the functions that it compiles, and records their keys."""
