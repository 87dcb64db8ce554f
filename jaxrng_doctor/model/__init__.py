"""Plain data shared by all packages: findings, facts, listings, targets, errors. No JAX."""
