"""How the application is: checks on a background schedule, gates, the loop's heartbeat, and answers from
memory.

May import `events`, `protocols`, `errors`, `section`; knows no pillar of its own floor and no telemetry SDK.
"""
