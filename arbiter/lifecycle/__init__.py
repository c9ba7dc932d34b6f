"""Starting and stopping in order, within budgets: the engine, in-flight drain, signals, watchdog.

Imports `errors`, `events`, `protocols` and `section`; knows nothing of containers, servers or the other pillars.
"""
