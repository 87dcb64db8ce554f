"""Makes `Target`s from names: loads the module, makes the arguments, parses `in_axes`."""
