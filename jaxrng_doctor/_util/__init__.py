"""Helpers that know nothing of random numbers."""
