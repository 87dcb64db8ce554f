"""Suppresses accepted findings: ignore comments, settings, and the baseline."""
