"""Providers of one's own: what is made, sampled and shown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
import structlog
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client.parser import text_string_to_metric_families

from arbiter.observability.settings import ObservabilitySettings
from arbiter.observability.telemetry import Telemetry
from arbiter.protocols import Measurement
from arbiter.testing.live import Fixed


def make(
    memory: InMemorySpanExporter | None = None, environ: dict[str, str] | None = None, **settings: Any
) -> Telemetry:
    return Telemetry(
        Fixed(ObservabilitySettings(**settings)),
        environ=environ or {},
        span_processors=[SimpleSpanProcessor(memory)] if memory else [],
    )


class Source:
    def __init__(self, *measurements: Measurement) -> None:
        self.present = measurements

    def measurements(self) -> Iterable[Measurement]:
        return self.present


def samples(telemetry: Telemetry) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(telemetry.prometheus_text().decode())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def test_a_sources_numbers_are_shown_as_they_are_when_asked() -> None:
    """Counters, gauges and histograms of a component stand in the text exposition, always current."""
    telemetry = make()
    source = Source(
        Measurement("shop.sales", "counter", 3, "Sold.", "{sale}", (("kind", "book"),)),
        Measurement("shop.stock", "gauge", 12, "There."),
    )
    telemetry.adopt("shop", source)
    first = samples(telemetry)

    source.present = (
        Measurement("shop.sales", "counter", 5, "Sold.", "{sale}", (("kind", "book"),)),
        Measurement("shop.wait", "histogram", 3.5, "Waited.", "s", (), (1.0, 2.0), (1, 0, 2)),
    )
    second = samples(telemetry)

    assert first["shop_sales_total", (("kind", "book"),)] == 3
    assert first["shop_stock", ()] == 12
    assert second["shop_sales_total", (("kind", "book"),)] == 5
    assert ("shop_stock", ()) not in second
    assert second["shop_wait_seconds_bucket", (("le", "1.0"),)] == 1
    assert second["shop_wait_seconds_bucket", (("le", "+Inf"),)] == 3
    assert second["shop_wait_seconds_sum", ()] == 3.5


def test_a_failing_source_does_not_silence_the_others() -> None:
    """A source that raises, and a measurement that no instrument fits, are logged once and left out."""

    class Broken:
        def measurements(self) -> Iterable[Measurement]:
            raise RuntimeError("no numbers today")

    telemetry = make()
    telemetry.adopt("broken", Broken())
    telemetry.adopt(
        "odd", Source(Measurement("no name", "counter", 1, ""), Measurement("odd", "colour", 1, ""))
    )
    telemetry.adopt("sound", Source(Measurement("shop.stock", "gauge", 1, "There.")))

    with structlog.testing.capture_logs() as logs:
        telemetry.prometheus_text()
        shown = samples(telemetry)

    assert shown["shop_stock", ()] == 1
    assert [entry["source"] for entry in logs] == ["broken", "no name", "odd"]


def test_what_counts_nothing_is_passed_over() -> None:
    """Adopting anything at all is safe; a class is not a source, only its instance."""
    telemetry = make()

    for component in (object(), Source, None, telemetry):
        telemetry.adopt("any", component)

    assert all("arbiter" in name or name == "target_info" for name, _ in samples(telemetry))


def test_a_component_adopted_again_replaces_the_earlier() -> None:
    """After a restart the numbers are those of the new component, once."""
    telemetry = make()
    telemetry.adopt("shop", Source(Measurement("shop.stock", "gauge", 1, "There.")))
    telemetry.adopt("shop", Source(Measurement("shop.stock", "gauge", 2, "There.")))

    assert samples(telemetry)["shop_stock", ()] == 2


def test_users_own_instruments_are_shown_too() -> None:
    """What a component counts through the injected meter stands beside the house's numbers."""
    telemetry = make()

    telemetry.meter.create_counter("own.calls").add(2)

    assert samples(telemetry)["own_calls_total", ()] == 2


def test_t10_two_in_one_process_do_not_meet() -> None:
    """Each telemetry has its own providers and registry, and OpenTelemetry's globals stay as they were."""
    before = trace.get_tracer_provider()
    one, two = make(), make()
    one.adopt("shop", Source(Measurement("shop.stock", "gauge", 1, "There.")))
    two.adopt("shop", Source(Measurement("shop.stock", "gauge", 2, "There.")))

    assert samples(one)["shop_stock", ()] == 1
    assert samples(two)["shop_stock", ()] == 2
    assert one.tracer_provider is not two.tracer_provider
    assert trace.get_tracer_provider() is before


def test_switched_off_nothing_is_made() -> None:
    """Without tracing and metrics there is no trace id and an empty page, and everything still answers."""
    telemetry = make(tracing_enabled=False, metrics_enabled=False)
    telemetry.adopt("shop", Source(Measurement("shop.stock", "gauge", 1, "There.")))

    with telemetry.tracer.start_as_current_span("work") as span:
        assert not span.get_span_context().is_valid

    assert telemetry.prometheus_text() == b""
    assert telemetry.close().complete


def test_the_sdk_can_be_disabled_from_outside() -> None:
    """OTEL_SDK_DISABLED=true turns everything off, whatever the settings say."""
    telemetry = make(environ={"OTEL_SDK_DISABLED": "True"})

    assert not isinstance(telemetry.tracer_provider, TracerProvider)
    assert not isinstance(telemetry.meter_provider, MeterProvider)


def test_ids_exist_even_if_nobody_takes_the_spans() -> None:
    """Without an exporter spans are not recorded, and their ids still run through the logs."""
    telemetry = make()

    with telemetry.tracer.start_as_current_span("work") as span:
        assert span.get_span_context().is_valid
        assert not span.is_recording()


def test_a_listener_that_comes_later_is_served() -> None:
    """A span processor added while running gets the spans from then on."""
    telemetry, memory = make(), InMemorySpanExporter()
    assert isinstance(telemetry.tracer_provider, TracerProvider)

    telemetry.tracer.start_span("before").end()
    telemetry.tracer_provider.add_span_processor(SimpleSpanProcessor(memory))
    telemetry.tracer.start_span("after").end()

    assert [span.name for span in memory.get_finished_spans()] == ["after"]


def test_the_ratio_changes_while_running() -> None:
    """`sample_ratio` is read at each new trace; a child follows its parent whatever the ratio is."""
    memory, live = InMemorySpanExporter(), Fixed(ObservabilitySettings(sample_ratio=0))
    telemetry = Telemetry(live, environ={}, span_processors=[SimpleSpanProcessor(memory)])

    telemetry.tracer.start_span("dropped").end()
    live.current = ObservabilitySettings(sample_ratio=1)
    with telemetry.tracer.start_as_current_span("parent"):
        live.current = ObservabilitySettings(sample_ratio=0)
        telemetry.tracer.start_span("child").end()

    assert {span.name for span in memory.get_finished_spans()} == {"parent", "child"}


def test_a_ratio_keeps_its_share() -> None:
    """Of many new traces about the wanted share is recorded."""
    memory = InMemorySpanExporter()
    telemetry = make(memory, sample_ratio=0.25)

    for _ in range(2000):
        telemetry.tracer.start_span("one").end()

    assert 400 < len(memory.get_finished_spans()) < 600


@pytest.mark.parametrize("sampler", ["always_off", "parentbased_always_off"])
def test_the_sampler_variable_beats_the_setting(sampler: str) -> None:
    """OTEL_TRACES_SAMPLER decides, not `sample_ratio`."""
    memory = InMemorySpanExporter()
    telemetry = make(memory, {"OTEL_TRACES_SAMPLER": sampler})

    telemetry.tracer.start_span("one").end()

    assert memory.get_finished_spans() == ()


def test_t05_the_scrape_parses_and_says_whose_it_is() -> None:
    """The page parses with Prometheus's own parser and names the service and its environment."""
    telemetry = Telemetry(
        Fixed(ObservabilitySettings()), service="shop", version="2.0", environment="test", environ={}
    )

    labels = {name: dict(label) for name, label in samples(telemetry)}["target_info"]

    assert labels["service_name"] == "shop"
    assert labels["service_version"] == "2.0"
    assert labels["deployment_environment_name"] == "test"


def test_t06_a_metric_has_at_most_two_thousand_series() -> None:
    """5,000 ids make 2,000 series, the last of which says that it is the rest, counters and histograms alike."""
    telemetry = make()
    ids = [(("id", str(number)),) for number in range(5000)]
    telemetry.adopt(
        "shop", Source(*(Measurement("shop.sales", "counter", 1, "Sold.", "1", one) for one in ids))
    )
    waits = (Measurement("shop.wait", "histogram", 1, "Waited.", "s", one, (1.0,), (1, 0)) for one in ids)
    telemetry.adopt("till", Source(*waits))

    shown = samples(telemetry)

    overflow = (("otel_metric_overflow", "true"),)
    for name in ("shop_sales_total", "shop_wait_seconds_count"):
        series = {
            tuple(pair for pair in labels if pair[1]): value  # to Prometheus an empty label is none
            for (sample, labels), value in shown.items()
            if sample == name
        }
        assert len(series) == 2000
        assert sum(series.values()) == 5000
        assert series[overflow] == 5000 - 1999
