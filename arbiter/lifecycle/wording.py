"""The words of a failed step, with the mend for what people run into."""

from __future__ import annotations

from arbiter.errors import ArbiterError, StepFailed

__all__ = ["failed"]

_THREAD = "a blocking resource is opened and closed on threads of its own"
_HINTS = (
    ("check_same_thread", f"{_THREAD}: open the connection with check_same_thread=False"),
    ("created in a thread", f"{_THREAD}: open the connection with check_same_thread=False"),
    (
        "no running event loop",
        f"{_THREAD}: make it an async generator, or write providers.Resource(in_place(factory), ...)",
    ),
    ("no current event loop", f"{_THREAD}: make it an async generator, or use in_place(factory)"),
    ("generator didn't stop", "a resource yields once: what comes after the yield is its teardown"),
    ("generator didn't yield", "a resource yields once: what it yields is what its users get"),
    (
        "object generator can't be used in 'await'",
        "give the generator function itself, not a callable that calls it",
    ),
)


def failed(name: str, action: str, error: Exception) -> StepFailed:
    """The error of one step, which names it.

    Args:
        name: the step's.
        action: "start" or "stop".
        error: what it raised, which becomes the cause.
    """
    made = StepFailed(name, action, _reason(error), hint=_hint(error))
    made.__cause__ = error
    return made


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError) and str(error):
        return str(error)
    words = error.message if isinstance(error, ArbiterError) else str(error)
    return f"{type(error).__name__}: {words}"


def _hint(error: Exception) -> str:
    if isinstance(error, ArbiterError) and error.hint:
        return error.hint
    return next((hint for fragment, hint in _HINTS if fragment in str(error)), "")
