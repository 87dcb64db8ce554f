"""What a traced program does with its keys: lineage, computed keys, facts."""
