"""Settings: typed frozen sections, loaded in layers through dynaconf, each value with its source, reloaded whole.

May import the bottom floor (errors, protocols, events, section) and the pillars' settings sections; nothing else of
the house. The only room that imports dynaconf.
"""
