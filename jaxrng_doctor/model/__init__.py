"""The plain data that all rooms share: findings, facts, listings, targets, errors. No JAX."""
