"""`arbiter caws`: is this working spec good enough to work from, and did the change stay within it?

Judged in this process; no service is needed. Each command is imported when it is called: in a pre-commit hook the start of
the process is most of what a person waits for.
"""

from __future__ import annotations

from typing import Final

from cyclopts import App

__all__ = ["caws"]

_COMMANDS: Final = {
    "judge:check": """Judge a working spec, YAML or JSON, and the change made under it.

Exit codes: 0 it passes; 1 it fails, or needs a waiver; 2 it could not be judged.

With a change, reports or waivers, the policy and the waivers of the spec's .caws folder are read too; without them the
verdict is the real validator's on the spec alone.

Try: arbiter caws check --ruleset caws-3.4 .caws/working-spec.yaml

Try: arbiter caws check .caws/working-spec.yaml --base main --report coverage.xml --format sarif
""",
    "explain:explain": """Explain a rule: what it says, the mend, and where it comes from.

Try: arbiter caws explain scope-in
""",
    "explain:rules": """List the rule sets, and the rules of one.

Try: arbiter caws rules --ruleset caws-12
""",
    "start:init": """Write a working spec that passes.

Try: arbiter caws init .caws/working-spec.yaml --title "Customers can export invoices" --module src/billing
""",
    "chain:verify_record": """Check a chained record of verdicts from its beginning.

Exit codes: 0 the chain holds; 1 it was tampered with, each entry is named; 2 it cannot be read.

Try: arbiter caws verify-record data/caws-record.jsonl
""",
}

caws = App(name="caws", help="Hold working specs, and changes, against the rules of CAWS, without a service.")
for _target, _about in _COMMANDS.items():
    _name = _target.partition(":")[2].replace("_", "-")
    caws.command(f"{__name__}.{_target}", name=_name, help=_about)
