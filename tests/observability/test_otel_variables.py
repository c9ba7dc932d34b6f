"""How `OTEL_*` variables beat the settings."""

from __future__ import annotations

from typing import Any

import pytest
import structlog

from arbiter.observability.settings import ObservabilitySettings
from arbiter.observability.variables import Destination, Variables

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318/"}


def read(environ: dict[str, str], **settings: Any) -> Variables:
    return Variables(environ, ObservabilitySettings(**settings))


@pytest.mark.parametrize(
    ("environ", "settings", "expected"),
    [
        ({}, {}, Destination("none")),
        ({}, {"exporter": "otlp"}, Destination("none")),
        ({}, {"exporter": "console"}, Destination("console")),
        ({}, {"otlp_endpoint": "http://c:1"}, Destination("otlp", "http://c:1/v1/traces", 2)),
        (ENDPOINT, {}, Destination("otlp", "http://collector:4318/v1/traces", 2)),
        (
            ENDPOINT,
            {"otlp_endpoint": "http://c:1"},
            Destination("otlp", "http://collector:4318/v1/traces", 2),
        ),
        (ENDPOINT, {"exporter": "none"}, Destination("none")),
        ({**ENDPOINT, "OTEL_TRACES_EXPORTER": "none"}, {}, Destination("none")),
        ({**ENDPOINT, "OTEL_TRACES_EXPORTER": "console"}, {}, Destination("console")),
        (
            {**ENDPOINT, "OTEL_TRACES_EXPORTER": "otlp"},
            {"exporter": "none"},
            Destination("otlp", "http://collector:4318/v1/traces", 2),
        ),
        (
            {**ENDPOINT, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://t/x"},
            {},
            Destination("otlp", "http://t/x", 2),
        ),
        (
            {**ENDPOINT, "OTEL_EXPORTER_OTLP_TIMEOUT": "4", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "1"},
            {},
            Destination("otlp", "http://collector:4318/v1/traces", 1),
        ),
        ({"OTEL_TRACES_EXPORTER": " "}, {"exporter": "console"}, Destination("console")),
    ],
)
def test_where_traces_go(environ: dict[str, str], settings: dict[str, Any], expected: Destination) -> None:
    """Variables beat settings, an exact endpoint a general one, and without an endpoint nothing is sent."""
    assert read(environ, **settings).destination("traces") == expected


def test_metrics_have_variables_of_their_own() -> None:
    """OTEL_METRICS_EXPORTER steers metrics only; "prometheus" pushes nothing, since that is pulled."""
    variables = read({**ENDPOINT, "OTEL_METRICS_EXPORTER": "prometheus"})

    assert variables.destination("metrics") == Destination("none")
    assert variables.destination("traces").kind == "otlp"


@pytest.mark.parametrize(
    "environ",
    [
        {"OTEL_TRACES_EXPORTER": "zipkin"},
        {"OTEL_TRACES_SAMPLER": "sometimes"},
        {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "many"},
        {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "1.5"},
        {**ENDPOINT, "OTEL_EXPORTER_OTLP_TIMEOUT": "soon"},
        {**ENDPOINT, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
        {**ENDPOINT, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json"},
        {"OTEL_METRIC_EXPORT_INTERVAL": "0"},
    ],
)
def test_t04_an_invalid_value_is_warned_about_and_passed_over(environ: dict[str, str]) -> None:
    """A value that cannot be used leaves a warning that names the variable, and the default holds."""
    variables = read(environ)

    with structlog.testing.capture_logs() as logs:
        variables.destination("traces")
        variables.sampler()
        interval_s = variables.metric_interval_s()

    assert interval_s == 60
    assert {entry["log_level"] for entry in logs} == {"warning"}
    assert {entry["variable"] for entry in logs} <= environ.keys()


def test_the_service_is_named_from_outside() -> None:
    """OTEL_SERVICE_NAME beats OTEL_RESOURCE_ATTRIBUTES, these the settings, these the application."""
    attributes = {"OTEL_RESOURCE_ATTRIBUTES": "service.name=r,team=a%20b,broken"}

    assert read({}).resource("app", "1", "test")["service.name"] == "app"
    assert read({}, service_name="s").resource("app", "1", "test")["service.name"] == "s"
    assert read(attributes, service_name="s").resource("app", "1", "test")["service.name"] == "r"
    assert read({**attributes, "OTEL_SERVICE_NAME": "v"}).resource("app", "", "test") == {
        "service.name": "v",
        "team": "a b",
        "deployment.environment.name": "test",
    }


@pytest.mark.parametrize(("value", "expected"), [("true", True), ("TRUE", True), ("1", False), ("", False)])
def test_only_the_word_true_disables(value: str, expected: bool) -> None:
    """A boolean variable is true for "true" in any case, and for nothing else."""
    assert read({"OTEL_SDK_DISABLED": value}).disabled is expected


def test_an_interval_is_given_in_milliseconds() -> None:
    """OTEL_METRIC_EXPORT_INTERVAL counts milliseconds."""
    assert read({"OTEL_METRIC_EXPORT_INTERVAL": "1500"}).metric_interval_s() == 1.5
