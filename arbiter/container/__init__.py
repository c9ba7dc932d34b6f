"""What reads and drives a dependency-injector container: base container, order, graph, validation, settings provider.

Imports dependency_injector, `lifecycle`, `settings` and what is below them; nothing of the other pillars.
"""

from arbiter.container.library import import_without_wiring

import_without_wiring()
