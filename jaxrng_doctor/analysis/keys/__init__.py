"""The key of every draw, computed for every example, step and device."""
