//! What the threads of one server log, at every level.
//!
//! Tests run side by side in one process, and their own queries are logged as well. So a log
//! belongs to threads, and ignores other threads.

use std::{
    cell::RefCell,
    fmt::{self, Write},
    sync::{
        Arc, Mutex, MutexGuard, Once, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
    subscriber::Interest,
};

thread_local! {
    static HEARD_HERE: RefCell<Option<Log>> = const { RefCell::new(None) };
}

/// The log of the threads that [listen](Self::listen).
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Recorder>);

#[derive(Debug, Default)]
struct Recorder {
    /// Text is made and kept where a test asks for it: a server logs some lines for each request.
    records: AtomicBool,
    lines: Mutex<Vec<Line>>,
}

/// One event of tracing or of the crate `log`.
#[derive(Clone, Debug)]
pub struct Line {
    /// `WARN`.
    pub level: String,
    /// The module that logged it.
    pub target: String,
    /// The message and the fields.
    pub text: String,
}

impl Log {
    /// A new log, which records what this thread logs from now on.
    #[must_use]
    pub fn of_this_thread() -> Self {
        let log = Self::default();
        log.listen();
        log
    }

    /// Records what this thread logs from now on.
    ///
    /// # Panics
    /// When this process already has another logger for all threads.
    pub fn listen(&self) {
        self.record();
        self.attach();
    }

    pub(crate) fn record(&self) {
        self.0.records.store(true, Ordering::Relaxed);
    }

    pub(crate) fn records(&self) -> bool {
        self.0.records.load(Ordering::Relaxed)
    }

    /// Hears this thread, once it [records](Self::record).
    pub(crate) fn attach(&self) {
        static LISTENERS: Once = Once::new();

        LISTENERS.call_once(|| {
            tracing::subscriber::set_global_default(Listener)
                .expect("the first logger of this process");
            // Not every crate below uses tracing: tokio-postgres does not.
            log::set_boxed_logger(Box::new(Listener)).expect("the first logger of this process");
            log::set_max_level(log::LevelFilter::Trace);
        });
        HEARD_HERE.set(Some(self.clone()));
    }

    /// Everything that was recorded.
    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        lock(&self.0.lines).clone()
    }

    /// What the crate under test logged at these levels.
    #[must_use]
    pub fn of_this_crate(&self, levels: &[&str]) -> Vec<String> {
        let ours = |line: &Line| {
            line.target.starts_with("actix_django_session") && levels.contains(&&*line.level)
        };
        self.lines().into_iter().filter(ours).map(|line| line.text).collect()
    }

    /// Deletes what was recorded.
    pub fn clear(&self) {
        lock(&self.0.lines).clear();
    }
}

fn lock(lines: &Mutex<Vec<Line>>) -> MutexGuard<'_, Vec<Line>> {
    lines.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_heard() -> bool {
    HEARD_HERE.with_borrow(|log| log.as_ref().is_some_and(Log::records))
}

fn hear(level: impl fmt::Display, target: &str, text: String) {
    HEARD_HERE.with_borrow(|log| {
        if let Some(log) = log {
            let line = Line { level: level.to_string(), target: target.into(), text };
            lock(&log.0.lines).push(line);
        }
    });
}

struct Listener;

impl log::Log for Listener {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        is_heard()
    }

    fn log(&self, record: &log::Record<'_>) {
        if is_heard() {
            hear(record.level(), record.target(), record.args().to_string());
        }
    }

    fn flush(&self) {}
}

impl Subscriber for Listener {
    /// By the thread, so not once for all.
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, _: &Metadata<'_>) -> bool {
        is_heard()
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
        // Writing to text cannot fail.
        let _ = write!(self.0, "{}={value:?} ", field.name());
    }
}
