"""Examining in processes of their own: in come the names of targets, out come their reports.

A worker process imports the user's code, traces and runs it. So whatever becomes of a worker,
the doctor lives on to tell of it, and does not import JAX itself.
"""
