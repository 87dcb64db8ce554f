"""General helpers that have nothing to do with random numbers."""
