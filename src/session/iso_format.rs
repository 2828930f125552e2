//! Python's `datetime.fromisoformat`, as of 3.11: it reads dates in a session as Django does.

use jiff::{
    SignedDuration,
    civil::{Date, DateTime, ISOWeekDate, Time, Weekday},
};

/// The date in such a text: a time on some wall clock, and perhaps its offset from UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IsoFormat {
    pub(super) wall_clock: DateTime,
    pub(super) utc_offset: Option<SignedDuration>,
}

const DAY: SignedDuration = SignedDuration::from_hours(24);

impl IsoFormat {
    /// `None` where Python raises a `ValueError`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let end_of_date = end_of_date(text)?;
        let date = parse_date(text.get(..end_of_date)?)?;
        let mut rest = text.get(end_of_date..)?.chars();
        // Any single character stands between the date and the time.
        let (time, utc_offset) = match rest.next() {
            Some(_) => parse_time_and_offset(rest.as_str())?,
            None => (Time::midnight(), None),
        };
        Some(Self { wall_clock: date.to_datetime(time), utc_offset })
    }
}

/// The length of the date in bytes: `2030-01-02`, `20300102`, `2030-W01-3`, `2030W013`, or without the day
/// of the week.
fn end_of_date(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    match (bytes.get(4)?, bytes.get(5)?, bytes.len()) {
        (_, _, ..7) => None,
        (_, _, 7) => Some(7),
        (b'-', b'W', 8) => Some(8),
        (b'-', b'W', 9) if bytes[8] == b'-' => None,
        // A dash may belong to the date, or stand between it and the time. Python guesses, and so does
        // this.
        (b'-', b'W', _) if bytes[8] == b'-' && !is_digit(10) => Some(10),
        (b'-', b'W', _) => Some(8),
        (b'-', ..) => Some(10),
        (b'W', ..) => {
            let end = (7..).find(|&at| !is_digit(at))?;
            Some(if end < 9 {
                end
            } else if end % 2 == 0 {
                7
            } else {
                8
            })
        }
        _ => Some(8),
    }
}

fn parse_date(text: &str) -> Option<Date> {
    let year: i16 = digits(text.get(..4)?)?;
    let rest = &text[4..];
    let has_dashes = rest.starts_with('-');
    let rest = rest.strip_prefix('-').unwrap_or(rest);
    let (rest, is_week) = match rest.strip_prefix('W') {
        Some(rest) => (rest, true),
        None => (rest, false),
    };
    let first: i8 = digits(rest.get(..2)?)?;
    let rest = &rest[2..];
    if is_week && rest.is_empty() {
        return week_date(year, first, 1);
    }
    let second = if has_dashes { rest.strip_prefix('-')? } else { rest };
    match is_week {
        true if second.len() == 1 => week_date(year, first, digits(second)?),
        false if second.len() == 2 && year > 0 => Date::new(year, first, digits(second)?).ok(),
        _ => None,
    }
}

fn week_date(year: i16, week: i8, day: i8) -> Option<Date> {
    let day = Weekday::from_monday_one_offset(day).ok()?;
    let date = ISOWeekDate::new(year, week, day).ok()?.date();
    (1..=9999).contains(&date.year()).then_some(date)
}

fn parse_time_and_offset(text: &str) -> Option<(Time, Option<SignedDuration>)> {
    let Some(at) = text.find(['+', '-', 'Z']) else { return Some((time(text)?, None)) };
    let (time, offset) = (time(&text[..at])?, &text[at..]);
    let offset = match offset.as_bytes()[0] {
        b'Z' if offset.len() == 1 => SignedDuration::ZERO,
        b'Z' => return None,
        sign => {
            let parts = clock(&offset[1..])?;
            let ahead = SignedDuration::from_secs(
                i64::from(parts[0]) * 3600 + i64::from(parts[1]) * 60 + i64::from(parts[2]),
            ) + SignedDuration::from_micros(i64::from(parts[3]));
            if sign == b'-' { -ahead } else { ahead }
        }
    };
    (offset.abs() < DAY).then_some((time, Some(offset)))
}

fn time(text: &str) -> Option<Time> {
    let [hour, minute, second, micros] = clock(text)?;
    let small = |number: i32| i8::try_from(number).ok();
    Time::new(small(hour)?, small(minute)?, small(second)?, micros * 1000).ok()
}

/// Hours, minutes, seconds and microseconds. Only the hours are required. From the seventh on, digits of
/// the fraction are dropped.
fn clock(text: &str) -> Option<[i32; 4]> {
    let mut parts = [0; 4];
    let mut rest = text;
    let has_colons = text.get(2..3) == Some(":");
    for part in &mut parts[..3] {
        *part = digits(rest.get(..2)?)?;
        rest = &rest[2..];
        match rest.as_bytes().first() {
            None => return Some(parts),
            Some(b'.' | b',') => break,
            Some(b':') if has_colons => rest = &rest[1..],
            Some(_) if has_colons => return None,
            Some(_) => {}
        }
    }
    let fraction = rest.strip_prefix(['.', ','])?;
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let kept = &fraction[..fraction.len().min(6)];
    parts[3] = digits::<i32>(kept)? * 10_i32.pow(6 - kept.len() as u32);
    Some(parts)
}

fn digits<T: std::str::FromStr>(text: &str) -> Option<T> {
    let only_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    only_digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<String> {
        let IsoFormat { wall_clock, utc_offset } = IsoFormat::parse(text)?;
        let offset = utc_offset.map_or("naive".into(), |offset| offset.as_micros().to_string());
        Some(format!("{} {offset}", wall_clock.strftime("%Y-%m-%dT%H:%M:%S%.f")))
    }

    /// The results of Python 3.11 and 3.13.
    #[test]
    fn dates_are_read_as_python_reads_them() {
        for (text, read) in [
            ("2030-01-02", Some("2030-01-02T00:00:00 naive")),
            ("20300102", Some("2030-01-02T00:00:00 naive")),
            ("2020-W53-7", Some("2021-01-03T00:00:00 naive")),
            ("2030-W01", Some("2029-12-31T00:00:00 naive")),
            ("2030W013", Some("2030-01-02T00:00:00 naive")),
            ("2030-W01-03:04", Some("2029-12-31T03:04:00 naive")),
            ("2030-01-02é03", Some("2030-01-02T03:00:00 naive")),
            ("2030-01-02T0304Z", Some("2030-01-02T03:04:00 0")),
            ("2030-01-02 03:04:05,5-02:30:15.25", Some("2030-01-02T03:04:05.5 -9015250000")),
            ("2030-01-02T03:04:05.1234567+00:00", Some("2030-01-02T03:04:05.123456 0")),
            ("2030W0112345", Some("2029-12-31T23:45:00 naive")),
            ("2030-W54-1", None),
            ("2030-02-29", None),
            ("2030-01-02T", None),
            ("2030-01-02T24:00", None),
            ("2030-01-02T03:04:05.", None),
            ("2030-01-02T03:0405", None),
            ("2030-01-02T03:04+24:00", None),
            ("2030-01-02T03:04z", None),
            ("203001-02", None),
            ("0000-01-01", None),
            ("2030-é1-02", None),
            ("", None),
        ] {
            assert_eq!(parsed(text).as_deref(), read, "{text}");
        }
    }
}
