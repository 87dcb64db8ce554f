"""The report formats, one per module; `formats.py` lists them.

Formats do not print, and do not decide what is reported.
"""
