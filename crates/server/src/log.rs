//! Logs: one event a line, for people or for machines, on standard error.
//!
//! Text: `2026-11-21T01:15:56.123Z INFO  smtp message accepted session=6b00e2a8-1 trace=…`. Fields are `name=value`; a value
//! with spaces, quotes or control characters is quoted, so that a peer's bytes cannot forge a line.

use std::fmt;
use std::time::SystemTime;

use jiff::Timestamp;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::LookupSpan;

use crate::config::{LogFormat, LogSettings};

/// Starts logging for the whole process. A second call changes nothing.
pub fn start(settings: &LogSettings) {
    let level = LevelFilter::from_level(settings.level);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    // Libraries may warn; what they say below that is not for the operator.
    let ours = tracing_subscriber::filter::filter_fn(|event| {
        *event.level() <= Level::WARN || event.target().starts_with("server") || event.target().starts_with("tepui")
    });
    let registry = tracing_subscriber::registry().with(level);
    let _ = match settings.format {
        LogFormat::Json => {
            registry.with(layer.json().flatten_event(true).with_target(false).with_filter(ours)).try_init()
        }
        LogFormat::Text => registry.with(layer.event_format(Text).with_filter(ours)).try_init(),
    };
}

struct Text;

impl<S, N> FormatEvent<S, N> for Text
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _context: &FmtContext<'_, S, N>, mut line: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut parts = Parts::default();
        event.record(&mut parts);
        writeln!(line, "{} {:5} {}{}", now(), event.metadata().level(), parts.message, parts.fields)
    }
}

fn now() -> String {
    let millis = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let time =
        i64::try_from(millis).ok().and_then(|millis| Timestamp::from_millisecond(millis).ok()).unwrap_or_default();
    format!("{time:.3}")
}

#[derive(Default)]
struct Parts {
    message: String,
    fields: String,
}

impl Parts {
    fn add(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message = escape(value);
            return;
        }
        let plain = !value.is_empty() && value.chars().all(|c| c.is_ascii_graphic() && c != '"' && c != '=');
        let shown = if plain { value.to_owned() } else { format!("\"{}\"", escape(value).replace('"', "\\\"")) };
        self.fields.push_str(&format!(" {}={shown}", field.name()));
    }
}

fn escape(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() }).collect()
}

impl Visit for Parts {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value);
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_peer_cannot_forge_a_line_or_a_field() {
        let page = Page::default();
        let writer = page.clone();
        let layer = tracing_subscriber::fmt::layer().with_writer(move || writer.clone()).event_format(Text);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::info!(login = "x\n2026 ERROR forged session=\"1\"", plain = 5, "login refused");
        });
        let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1);
        assert!(
            text.ends_with("INFO  login refused login=\"x\\n2026 ERROR forged session=\\\"1\\\"\" plain=5\n"),
            "{text}"
        );
    }
}
