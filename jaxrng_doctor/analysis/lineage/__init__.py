"""From a `Trace` to its draws: what each key is made of, and what it varies over."""
