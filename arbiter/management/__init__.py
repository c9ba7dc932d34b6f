"""The operator's endpoints, on their own thread and port: first up, last down.

May import everything below it; it is given what it shows, and imports no dependency-injector.
"""
