"""Routing: choice, leases, outcomes, learning."""
