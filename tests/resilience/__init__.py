"""The scenarios of the circuit breaker by their number, and the rules of the guarded proxy."""
