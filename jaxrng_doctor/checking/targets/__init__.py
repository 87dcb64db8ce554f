"""From what a user typed to a `Target`: the module loaded, the arguments made, `in_axes` parsed."""
