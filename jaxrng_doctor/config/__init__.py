"""The settings of a project: `[tool.jaxrng-doctor]` of its `pyproject.toml`, read and checked."""
