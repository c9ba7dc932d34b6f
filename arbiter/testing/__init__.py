"""The test kit that ships with the framework, and its pytest plugin. It may import anything of the framework.

`application` composes a fresh container with overrides, settings and a clock; `running` serves it; `Faults` breaks a
component on demand; `Recording` keeps spans, metrics, logs and events; `leaks` tells what a test has left behind;
`FakeClock` and `Fixed` are a clock and a live value in the test's hand.
"""
