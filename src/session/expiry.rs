//! The expiry of a session: what `set_expiry` stores, and what the row and the cookie get.
//!
//! `get_expiry_age`, `get_expiry_date` and `get_expire_at_browser_close` of Django's `SessionBase`.

use std::{
    cmp::Ordering,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use jiff::{
    SignedDuration, Timestamp,
    civil::{DateTime, date},
    tz::{AmbiguousOffset, Offset, TimeZone},
};

use super::{SessionData, iso_format::IsoFormat};
use crate::{error::Error, settings::DjangoSettings};

/// The key under which `SessionBase` keeps the expiry of a session.
pub(crate) const SESSION_EXPIRY: &str = "_session_expiry";

const EPOCH: DateTime = date(1970, 1, 1).at(0, 0, 0, 0);

/// The years that Python's `datetime` can name, in seconds since 1970.
const YEAR_1: f64 = -62_135_596_800.0;
const YEAR_10000: f64 = 253_402_300_800.0;

/// When a session is to end, as Django's `set_expiry` takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[doc(alias = "get_expiry_age")]
pub enum Expiry {
    /// As the settings say: `set_expiry(None)`.
    Default,
    /// When the browser is closed: `set_expiry(0)`. The row lives for `SESSION_COOKIE_AGE`.
    AtBrowserClose,
    /// This many seconds after the last change of the session: `set_expiry` of an integer. Zero means the
    /// end of the browser; a negative number has passed already.
    Seconds(i64),
    /// This long from now, regardless of later changes: `set_expiry` of a `timedelta`.
    In(Duration),
    /// At this moment: `set_expiry` of a `datetime`.
    At(SystemTime),
}

/// The settings for the end of sessions.
#[derive(Clone, Debug)]
pub(crate) struct ExpiryPolicy {
    cookie_age: i64,
    at_browser_close: bool,
    /// The time zone of dates without one, where `USE_TZ` is false.
    local: Option<TimeZone>,
}

/// Django's defaults.
impl Default for ExpiryPolicy {
    fn default() -> Self {
        let settings = DjangoSettings::new("");
        let at_browser_close = settings.session_expire_at_browser_close;
        Self { cookie_age: settings.session_cookie_age, at_browser_close, local: None }
    }
}

/// How long the cookie of a session lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CookieLife {
    /// Until the browser is closed.
    Browser,
    /// For `max_age` seconds, until `expires`, in seconds since 1970.
    Until { max_age: i64, expires: i64 },
}

/// The value of `_session_expiry`, as Django understands it.
enum Stored {
    Nothing,
    /// A value that is false in Python, other than nothing and a number: an empty list or dictionary.
    Empty,
    Integer(i128),
    Float(f64),
    Text(String),
    Misfit,
}

impl ExpiryPolicy {
    /// # Errors
    /// [`Error::ImproperlyConfigured`] if there is no time zone of that name.
    pub(crate) fn new(settings: &DjangoSettings) -> Result<Self, Error> {
        let local = match settings.use_tz {
            true => None,
            false => Some(TimeZone::get(&settings.time_zone).map_err(|_| {
                Error::ImproperlyConfigured("TIME_ZONE is not the name of a time zone".into())
            })?),
        };
        let at_browser_close = settings.session_expire_at_browser_close;
        Ok(Self { cookie_age: settings.session_cookie_age, at_browser_close, local })
    }

    /// The JSON text that `set_expiry` stores in the session; `None` removes the entry.
    ///
    /// # Errors
    /// [`Error::InvalidExpiry`] for a moment outside the years of Python's `datetime`.
    pub(crate) fn stored(&self, expiry: Expiry, now: SystemTime) -> Result<Option<String>, Error> {
        let moment = match expiry {
            Expiry::Default => return Ok(None),
            Expiry::AtBrowserClose => return Ok(Some("0".into())),
            Expiry::Seconds(seconds) => return Ok(Some(seconds.to_string())),
            Expiry::In(duration) => {
                let wall_clock = self.wall_clock(timestamp(now)?);
                let span = SignedDuration::try_from(duration).map_err(|_| Error::InvalidExpiry)?;
                wall_clock.checked_add(whole_micros(span)).map_err(|_| Error::InvalidExpiry)?
            }
            Expiry::At(moment) => self.wall_clock(timestamp(moment)?),
        };
        let zone = if self.local.is_some() { "" } else { "+00:00" };
        let text = moment.strftime("%Y-%m-%dT%H:%M:%S");
        let micros = moment.subsec_nanosecond() / 1000;
        let fraction = if micros == 0 { String::new() } else { format!(".{micros:06}") };
        Ok(Some(format!("\"{text}{fraction}{zone}\"")))
    }

    /// The `expire_date` of a session that is saved now.
    ///
    /// # Errors
    /// [`Error::InvalidExpiry`] where Django fails: a date it cannot read, or beyond the year 9999.
    pub(crate) fn expire_date(
        &self,
        data: &SessionData,
        now: SystemTime,
    ) -> Result<SystemTime, Error> {
        let now = timestamp(now)?;
        let moment = match stored(data) {
            Stored::Text(text) => {
                let (wall_clock, zone) = self.parse(&text)?;
                self.instant(wall_clock, zone)?
            }
            Stored::Integer(seconds) if seconds != 0 => {
                let seconds = i64::try_from(seconds).map_err(|_| Error::InvalidExpiry)?;
                self.after(now, SignedDuration::from_secs(seconds))?
            }
            // Not `!= 0.0`: that is also true for NaN, which Python refuses.
            Stored::Float(seconds) if seconds.partial_cmp(&0.0) != Some(Ordering::Equal) => {
                self.after(now, timedelta(seconds)?)?
            }
            Stored::Misfit => return Err(Error::InvalidExpiry),
            _ => self.after(now, SignedDuration::from_secs(self.cookie_age))?,
        };
        Ok(moment)
    }

    /// How long a cookie that is sent now lives.
    ///
    /// # Errors
    /// As [`ExpiryPolicy::expire_date`].
    pub(crate) fn cookie_life(
        &self,
        data: &SessionData,
        now: SystemTime,
    ) -> Result<CookieLife, Error> {
        let age = match stored(data) {
            Stored::Nothing if self.at_browser_close => return Ok(CookieLife::Browser),
            Stored::Integer(0) => return Ok(CookieLife::Browser),
            Stored::Float(0.0) => return Ok(CookieLife::Browser),
            Stored::Nothing | Stored::Empty => self.cookie_age as f64,
            Stored::Integer(seconds) => seconds as f64,
            Stored::Float(seconds) => seconds,
            Stored::Text(text) => self.seconds_until(&text, timestamp(now)?)? as f64,
            Stored::Misfit => return Err(Error::InvalidExpiry),
        };
        let expires = epoch_seconds(now) + age;
        // `formatdate` converts it to a `datetime`, to the microsecond.
        let expires = ((expires * 1e6).round_ties_even() / 1e6).floor();
        if !(YEAR_1..YEAR_10000).contains(&expires) {
            return Err(Error::InvalidExpiry);
        }
        Ok(CookieLife::Until { max_age: age.trunc() as i64, expires: expires as i64 })
    }

    /// Whole seconds from now to a date, rounded down; on the wall clock if it has no zone.
    fn seconds_until(&self, text: &str, now: Timestamp) -> Result<i64, Error> {
        let (wall_clock, zone) = self.parse(text)?;
        let left = self.wall_clock(now).duration_until(wall_clock).as_micros() - zone.as_micros();
        i64::try_from(left.div_euclid(1_000_000)).map_err(|_| Error::InvalidExpiry)
    }

    /// A date with a zone under `USE_TZ`, otherwise one without: Python compares only dates of the same
    /// sort.
    fn parse(&self, text: &str) -> Result<(DateTime, SignedDuration), Error> {
        let IsoFormat { wall_clock, utc_offset } =
            IsoFormat::parse(text).ok_or(Error::InvalidExpiry)?;
        match (&self.local, utc_offset) {
            (None, Some(offset)) => Ok((wall_clock, offset)),
            (Some(_), None) => Ok((wall_clock, SignedDuration::ZERO)),
            _ => Err(Error::InvalidExpiry),
        }
    }

    /// A moment plus a time span: on the local wall clock, where Django adds to that.
    fn after(&self, now: Timestamp, span: SignedDuration) -> Result<SystemTime, Error> {
        let clock = self.wall_clock(now).checked_add(span).map_err(|_| Error::InvalidExpiry)?;
        self.instant(clock, SignedDuration::ZERO)
    }

    fn wall_clock(&self, moment: Timestamp) -> DateTime {
        match &self.local {
            Some(zone) => zone.to_datetime(moment),
            None => Offset::UTC.to_datetime(moment),
        }
    }

    /// The instant at which a wall clock shows this time, given its offset from UTC or from the local
    /// time.
    fn instant(&self, clock: DateTime, ahead: SignedDuration) -> Result<SystemTime, Error> {
        if !(1..=9999).contains(&clock.year()) {
            return Err(Error::InvalidExpiry);
        }
        let offset = match &self.local {
            // As PostgreSQL does: a time that the clock skips counts from before the change; of a time
            // that comes twice, the second one counts.
            Some(zone) => match zone.to_ambiguous_timestamp(clock).offset() {
                AmbiguousOffset::Unambiguous { offset } => offset,
                AmbiguousOffset::Gap { before, .. } => before,
                AmbiguousOffset::Fold { after, .. } => after,
            },
            None => Offset::UTC,
        };
        // The range of `Timestamp` ends two days before that of Python's dates.
        let since_1970 = clock.duration_since(EPOCH);
        let since_1970 = since_1970 - SignedDuration::from_secs(offset.seconds().into()) - ahead;
        let (distance, is_before) = (since_1970.unsigned_abs(), since_1970.is_negative());
        let moment = match is_before {
            true => UNIX_EPOCH.checked_sub(distance),
            false => UNIX_EPOCH.checked_add(distance),
        };
        moment.ok_or(Error::InvalidExpiry)
    }
}

fn stored(data: &SessionData) -> Stored {
    let Some(json) = data.get_json(SESSION_EXPIRY) else { return Stored::Nothing };
    match json.trim_ascii() {
        "null" => Stored::Nothing,
        "true" => Stored::Integer(1),
        "false" => Stored::Integer(0),
        json if json.starts_with('"') => match serde_json::from_str::<String>(json) {
            Ok(text) => Stored::Text(text),
            Err(_) => Stored::Misfit,
        },
        json if json.starts_with(['[', '{']) => {
            let inside = &json[1..json.len() - 1];
            if inside.trim_ascii().is_empty() { Stored::Empty } else { Stored::Misfit }
        }
        json => match json.parse::<i128>() {
            Ok(integer) => Stored::Integer(integer),
            // Larger integers are too large for any date.
            Err(_) => json.parse().map_or(Stored::Misfit, Stored::Float),
        },
    }
}

/// `timedelta(seconds=..)`: microseconds, half of one rounded to even.
fn timedelta(seconds: f64) -> Result<SignedDuration, Error> {
    if !(-1e12..1e12).contains(&seconds) {
        return Err(Error::InvalidExpiry);
    }
    let micros = (seconds.fract() * 1e6).round_ties_even() as i64;
    Ok(SignedDuration::from_secs(seconds.trunc() as i64) + SignedDuration::from_micros(micros))
}

fn whole_micros(duration: SignedDuration) -> SignedDuration {
    SignedDuration::from_secs(duration.as_secs())
        + SignedDuration::from_micros(i64::from(duration.subsec_nanos()) / 1000)
}

/// As in Python: whole microseconds, the years 1 to 9999.
fn timestamp(moment: SystemTime) -> Result<Timestamp, Error> {
    let moment = Timestamp::try_from(moment).map_err(|_| Error::InvalidExpiry)?;
    let micros = moment.as_microsecond();
    Timestamp::from_microsecond(micros).map_err(|_| Error::InvalidExpiry)
}

/// `time.time()`.
fn epoch_seconds(now: SystemTime) -> f64 {
    match now.duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_secs_f64(),
        Err(before) => -before.duration().as_secs_f64(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_micros(1_700_000_000_123_456);

    fn policy(settings: DjangoSettings) -> ExpiryPolicy {
        ExpiryPolicy::new(&settings).unwrap()
    }

    fn in_zone(name: &str) -> ExpiryPolicy {
        let mut settings = DjangoSettings::new("k");
        (settings.use_tz, settings.time_zone) = (false, name.into());
        policy(settings)
    }

    /// The row's `expire_date` as microseconds since 1970.
    fn expire_date(policy: &ExpiryPolicy, json: &str) -> Option<u64> {
        let data = SessionData::from_json(&format!(r#"{{"_session_expiry":{json}}}"#)).unwrap();
        let date = policy.expire_date(&data, UNIX_EPOCH + NOW).ok()?;
        Some(date.duration_since(UNIX_EPOCH).unwrap().as_micros() as u64)
    }

    #[test]
    fn a_clock_that_is_changed_is_read_as_postgresql_reads_it() {
        let chicago = in_zone("America/Chicago");
        // 02:30 does not exist on this day: it is an hour later on the changed clock, 08:30 UTC.
        assert_eq!(expire_date(&chicago, r#""2024-03-10T02:30:00""#), Some(1_710_059_400_000_000));
        // 01:30 comes twice: the second one is 07:30 UTC.
        assert_eq!(expire_date(&chicago, r#""2024-11-03T01:30:00""#), Some(1_730_619_000_000_000));
    }

    #[test]
    fn what_is_no_number_and_no_date_is_an_error() {
        let policy = policy(DjangoSettings::new("k"));
        for json in ["NaN", "Infinity", "-Infinity", "[0]", "{\"a\":1}", "1e13", r#""\ud800""#] {
            assert_eq!(expire_date(&policy, json), None, "{json}");
            let data = format!(r#"{{"_session_expiry":{json}}}"#);
            let data = SessionData::from_json(&data).unwrap();
            let now = UNIX_EPOCH + NOW;
            assert!(policy.cookie_life(&data, now).is_err() || json == "[0]", "{json}");
        }
        for digits in [40, 400] {
            assert_eq!(expire_date(&policy, &"9".repeat(digits)), None);
        }
    }

    #[test]
    fn an_expiry_that_no_datetime_can_name_is_refused() {
        let policy = policy(DjangoSettings::new("k"));
        let now = UNIX_EPOCH + NOW;
        assert!(policy.stored(Expiry::In(Duration::MAX), now).is_err());
        let beyond = now + Duration::from_secs(300_000_000_000);
        assert!(policy.stored(Expiry::At(beyond), now).is_err());
        let before = UNIX_EPOCH - Duration::from_secs(1);
        let stored = policy.stored(Expiry::At(before), now).unwrap();
        assert_eq!(stored.as_deref(), Some("\"1969-12-31T23:59:59+00:00\""));
    }

    #[test]
    fn a_time_zone_has_to_exist() {
        let mut settings = DjangoSettings::new("k");
        (settings.use_tz, settings.time_zone) = (false, "Mars/Olympus".into());
        let refused = ExpiryPolicy::new(&settings).unwrap_err().to_string();
        assert!(refused.contains("TIME_ZONE"), "{refused}");
        settings.use_tz = true;
        assert!(ExpiryPolicy::new(&settings).is_ok());
    }
}
