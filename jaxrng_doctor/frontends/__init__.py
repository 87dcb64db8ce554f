"""What users call: the command line, the plugin of pytest, the notebook, and Python."""
