"""Worker processes that check targets.

Only workers import, trace and run the user's code. So the parent process survives whatever the
code does, reports it, and does not need to import JAX.
"""
