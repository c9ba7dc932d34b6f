"""One life of an application in a process: `life.py` is its order, the other modules are one concern of it each.

Imports `infrastructure` and what is below it. `outcome.py` imports nothing, so that who only looks at an application
loads no server.
"""
