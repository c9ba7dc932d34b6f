"""What all tests share."""

from __future__ import annotations

import hypothesis

# An example may take as long as a busy machine lets it: hypothesis's own limit is 200 ms on the clock.
hypothesis.settings.register_profile("unhurried", deadline=None)
hypothesis.settings.load_profile("unhurried")
