"""The facts that rules judge, made of a trace, its lineage and its computed keys."""
