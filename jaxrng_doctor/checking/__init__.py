"""Checks one function: its arguments, its trace, its verdict, its outputs compared."""
