"""User interfaces: the command line, the pytest plugin, the notebook magics, the Python API."""
