"""Random programs, an oracle that runs them in plain Python, and the doctor held against it."""
