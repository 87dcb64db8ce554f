"""Findings that are accepted: ignore comments, settings, and the baseline."""
