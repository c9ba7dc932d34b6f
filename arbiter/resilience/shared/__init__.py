"""Circuit breakers that many instances share through Redis: local-first, so that Redis is never on a call's path.

Each instance counts and trips by itself and tells the others; only trials of a half-open circuit are handed out by
Redis. May import its pillar, and redis (here alone, and only when an address is set).
"""
