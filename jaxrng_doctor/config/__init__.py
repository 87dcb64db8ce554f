"""A project's settings: reads and validates `[tool.jaxrng-doctor]` in `pyproject.toml`."""
