"""A running program: what it compiles is examined, and the keys that it draws from are noted."""
