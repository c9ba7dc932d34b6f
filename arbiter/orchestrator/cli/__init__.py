"""The orchestrator's part of the `arbiter` command; it joins through the entry point group `arbiter.commands`.

Each command is imported when it is called, so that `arbiter run` and `arbiter --help` pay for none of them.
May import the client, the validator and `arbiter.cli.console`.
"""

from __future__ import annotations

from typing import Final

from cyclopts import App

__all__ = ["commands"]

_COMMANDS: Final = {
    "agents:agents": "Show, register and remove agents.",
    "tasks:route": """Choose the agent for a task, and hold a place with it until the outcome is reported.

Try: arbiter route --type code-review --language Python

Why it was that agent: arbiter route explain TASK-ID
""",
    "tasks:outcome": """Report how a routed task went. The same report again counts once.

Try: arbiter outcome task-1 --success --quality 0.9 --latency-ms 1200
""",
    "caws:caws": "Hold working specs against the rules of CAWS, without a service.",
    "performance:performance": "Show what the recorded events add up to.",
    "simulate:simulate": """Compare strategies of routing on simulated agents of known ability, without a service.

The table holds what each strategy lost against the best agent of each round (regret), the plot how that grew.

Try: arbiter simulate --population drifting --strategy thompson --strategy ucb1 --discount 0.98
""",
    "demo:demo": """Show the orchestrator learn, against the running service and through its public API.

Registers a population of agents, validates a working spec, routes tasks of mixed types one after the other, and
reports outcomes drawn from each agent's true ability, which the service is not told. At the end stands what it
found out. Agents of an earlier demo are registered afresh; yours are left alone.

Try: arbiter demo --tasks 200 --seed 7
""",
}
"""Where each command is, and its help: stated here, since a listing would have to import it otherwise."""


def _assembled() -> App:
    app = App(name="orchestrator", help="The ARBITER orchestrator.")
    for target, about in _COMMANDS.items():
        app.command(f"{__name__}.{target}", name=target.partition(":")[2], help=about)
    return app


commands = _assembled()
"""The commands; whoever mounts them puts them at the top level."""
