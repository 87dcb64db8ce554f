"""Checks one function: makes its arguments, traces and runs it, and applies the rules."""
