//! Structured logs on stderr, metrics for `/metrics`, and traces to a collector when one is configured.
//!
//! A dead collector never slows or stops the server: spans are exported in batches from a thread of their own
//! and dropped when the queue is full.

use std::{io::IsTerminal, time::Duration};

use opentelemetry::{KeyValue, trace::TracerProvider as _};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use tracing_subscriber::{EnvFilter, Layer, layer::SubscriberExt, util::SubscriberInitExt};
use url::Url;

/// How long one export may take.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(3);

/// Flushes what is queued when dropped.
pub struct Telemetry(Option<SdkTracerProvider>);

/// Why telemetry could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The collector's address is unusable.
    #[error("OTEL_EXPORTER_OTLP_ENDPOINT")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
    /// Something set up logging before.
    #[error("logging is set up already")]
    Twice(#[from] tracing_subscriber::util::TryInitError),
}

/// Sets up logging for the process, once. `filter` is `MICRO_LOG`'s word (`info`, `micro_gateway=debug`).
/// Lines are coloured text on a terminal and JSON otherwise.
pub fn init(filter: Option<&str>, environment: &str, collector: Option<&Url>) -> Result<Telemetry, TelemetryError> {
    let filter = EnvFilter::try_new(filter.unwrap_or("warn,micro=info")).unwrap_or_else(|_| EnvFilter::new("info"));
    let stderr = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_target(true);
    let lines = if std::io::stderr().is_terminal() {
        stderr.compact().boxed()
    } else {
        stderr.json().boxed()
    };
    let provider = collector.map(|url| provider(url, environment)).transpose()?;
    let traces = provider
        .as_ref()
        .map(|p| tracing_opentelemetry::layer().with_tracer(p.tracer("micro")));
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .with(traces)
        .try_init()?;
    Ok(Telemetry(provider))
}

fn provider(collector: &Url, environment: &str) -> Result<SdkTracerProvider, TelemetryError> {
    let exporter = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(collector.as_str())
        .with_timeout(EXPORT_TIMEOUT)
        .build()?;
    let resource = Resource::builder()
        .with_service_name("micro")
        .with_attribute(KeyValue::new("deployment.environment.name", environment.to_owned()))
        .build();
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource)
        .build())
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(provider) = self.0.take() {
            // Spans that a dead collector did not take are lost, by design.
            provider.shutdown_with_timeout(EXPORT_TIMEOUT).ok();
        }
    }
}
