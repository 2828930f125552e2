//! What the threads of one server write to the log, at every level.
//!
//! Tests run side by side in one process, and what they ask the database themselves is logged as
//! well: so a log belongs to threads, and others are not listened to.

use std::{
    cell::RefCell,
    fmt::{self, Write},
    sync::{Arc, Mutex, Once},
};

use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

thread_local! {
    static HEARD_HERE: RefCell<Option<Log>> = const { RefCell::new(None) };
}

#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<Line>>>);

#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) level: String,
    pub(crate) target: String,
    pub(crate) text: String,
}

impl Log {
    /// Hears what this thread logs from now on.
    pub(crate) fn listen(&self) {
        static LISTENERS: Once = Once::new();

        LISTENERS.call_once(|| {
            tracing::subscriber::set_global_default(Listener).unwrap();
            // Not every crate below uses tracing: tokio-postgres does not.
            log::set_boxed_logger(Box::new(Listener)).unwrap();
            log::set_max_level(log::LevelFilter::Trace);
        });
        HEARD_HERE.set(Some(self.clone()));
    }

    pub(crate) fn lines(&self) -> Vec<Line> {
        self.0.lock().unwrap().clone()
    }

    /// What this crate said at these levels.
    pub(crate) fn of_this_crate(&self, levels: &[&str]) -> Vec<String> {
        let ours = |line: &Line| {
            line.target.starts_with("actix_django_session") && levels.contains(&&*line.level)
        };
        self.lines().into_iter().filter(ours).map(|line| line.text).collect()
    }

    pub(crate) fn clear(&self) {
        self.0.lock().unwrap().clear();
    }
}

fn hear(level: impl fmt::Display, target: &str, text: String) {
    HEARD_HERE.with_borrow(|log| {
        if let Some(log) = log {
            let line = Line { level: level.to_string(), target: target.into(), text };
            log.0.lock().unwrap().push(line);
        }
    });
}

struct Listener;

impl log::Log for Listener {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        HEARD_HERE.with_borrow(Option::is_some)
    }

    fn log(&self, record: &log::Record<'_>) {
        hear(record.level(), record.target(), record.args().to_string());
    }

    fn flush(&self) {}
}

impl Subscriber for Listener {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        let mut text = Text::default();
        attributes.record(&mut text);
        hear(attributes.metadata().level(), attributes.metadata().target(), text.0);
        span::Id::from_u64(1)
    }

    fn event(&self, event: &Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        hear(event.metadata().level(), event.metadata().target(), text.0);
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, "{}={value:?} ", field.name()).unwrap();
    }
}
