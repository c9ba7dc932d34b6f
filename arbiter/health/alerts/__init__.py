"""Alerts: what people are told when something turns bad, or well again.

Events become alarms (`rules`), alarms that are on are remembered (`desk`), and each sink has an outbox of its own with
grouping, retries and a bound (`outbox`), on a thread of the alerts' own (`service`). May import what `health` may.
"""
