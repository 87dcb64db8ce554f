"""Compares jaxrng-doctor with an oracle that runs random programs in plain Python."""
