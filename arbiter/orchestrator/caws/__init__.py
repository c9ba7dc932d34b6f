"""CAWS (ARBITER-003): does a working spec hold what its rule set asks for, and did the change stay within it?

Reading: `document`, `composer`, `scalars`, `javascript`. Rules: `rulesets` over `caws34` and `caws8` (sharing `commandline`),
`caws12` (with its shape and succession) and `quality`; `catalogue` explains each. What a spec is held against: `evidence`, from
`policy`, `waivers`, `change`, `repository`, `scope` (by `globs`), `reports` and `contracts`; `case` and `gates` bring them
together, and `judging` comes to the verdict. `validator` is the component over it; `external` another one that it asks;
`record`, `sarif` and `scaffold` are for what comes after and before. Only `settings` needs pydantic, which the command line
does without.

May import `arbiter.errors`, `events`, `protocols`, `operation`, `clock`, `section`, the orchestrator's vocabulary, pydantic,
PyYAML, jsonschema-rs, unidiff and defusedxml. Never another component.
"""
