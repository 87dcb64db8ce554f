"""Computes the key of every draw for every example, step and device."""
