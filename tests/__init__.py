"""The tests: each docstring is a rule in one sentence."""
