//! How long it takes to read session data: this crate and Django's own `SessionStore.decode`, for
//! the same texts, in turns.

#[allow(dead_code, reason = "each benchmark uses its part")]
mod common;

use std::{
    collections::HashMap,
    hint::black_box,
    time::{Duration, Instant},
};

use actix_django_session::{DjangoSettings, SessionData, SessionSigner};
use actix_web::rt::System;
use common::{
    DJANGO, Result, SECRET_KEY, machine,
    options::Options,
    report::{self, Table, number, ratio},
    sessions,
    stats::{Rng, median},
};
use serde_json::{Value, json};
use testbed::{Oracle, Postgres, Settings};

/// The batches that each time is the median of; as many as the oracle makes.
const BATCHES: u32 = 7;

const SIZES: [(usize, &str); 5] = [
    (100, "100 B"),
    (300, "300 B, typical"),
    (2 << 10, "2 KB"),
    (64 << 10, "64 KB"),
    (1 << 20, "1 MB"),
];

const USER_ID: usize = 4711;

struct Case {
    title: String,
    session_data: String,
    json: String,
}

/// Microseconds for one session, of each round.
#[derive(Default)]
struct Times {
    user_id: Vec<f64>,
    dictionary: Vec<f64>,
    django: Vec<f64>,
}

fn main() -> Result<()> {
    let options = Options::from_command_line();
    System::new().block_on(run(&options))
}

async fn run(options: &Options) -> Result<()> {
    let settings = Settings::default();
    let database = Postgres::start().await?.django_database(DJANGO, &settings).await?;
    let oracle = Oracle::start(DJANGO, database.url(), &settings).await?;
    let signer = SessionSigner::new(&DjangoSettings::new(SECRET_KEY))?;
    let cases = cases(&oracle).await?;
    for case in &cases {
        check(case, &oracle, &signer).await?;
    }

    let mut rng = Rng::new(options.seed);
    let mut times: HashMap<usize, Times> = HashMap::new();
    let mut order: Vec<usize> = (0..cases.len()).collect();
    let budget = Duration::from_secs_f64(options.seconds * 0.05);
    for round in 1..=options.rounds {
        eprintln!("round {round} of {}", options.rounds);
        rng.shuffle(&mut order);
        for &index in &order {
            let (case, times) = (&cases[index], times.entry(index).or_default());
            times.user_id.push(time(budget, || {
                let data = SessionData::decode(black_box(&case.session_data), &signer);
                data.ok()?.user_id().map(|id| id.into_owned())
            }));
            times.dictionary.push(time(budget, || dictionary(case, &signer).ok()));
            times.django.push(time_django(case, &oracle, budget).await?);
        }
    }
    let report = report(options, &cases, &times);
    println!("\n{report}");
    if options.save {
        report::save("decode", &report)?;
    }
    Ok(())
}

async fn cases(oracle: &Oracle) -> Result<Vec<Case>> {
    let hash = sessions::session_auth_hash_maker().hexdigest("password");
    let mut cases = Vec::new();
    for (size, name) in SIZES {
        let json = sessions::of_size(size, USER_ID, &hash);
        for (compress, how) in [(json!(false), "plain"), (json!("always"), "compressed")] {
            let question = json!({ "cmd": "sign_row", "obj_json": json, "compress": compress });
            let answer = oracle.ask(question).await?;
            let session_data = answer["session_data"].as_str().ok_or("no session data")?;
            cases.push(Case {
                title: format!("{name}, {how}"),
                session_data: session_data.to_owned(),
                json: json.clone(),
            });
        }
    }
    Ok(cases)
}

/// Whether Django and this crate read the same out of it: what was put in.
async fn check(case: &Case, oracle: &Oracle, signer: &SessionSigner) -> Result<()> {
    let question = json!({ "cmd": "decode", "session_data": case.session_data });
    let djangos = oracle.ask(question).await?["json"].as_str().unwrap_or_default().to_owned();
    let right: Value = serde_json::from_str(&case.json)?;
    let data = SessionData::decode(&case.session_data, signer)?;
    let all_the_same = serde_json::from_str::<Value>(&djangos)? == right
        && dictionary(case, signer)? == right
        && data.user_id().as_deref() == Some(USER_ID.to_string().as_str());
    if all_the_same { Ok(()) } else { Err(format!("{} is read wrongly", case.title).into()) }
}

fn dictionary(case: &Case, signer: &SessionSigner) -> Result<Value> {
    let data = SessionData::decode(black_box(&case.session_data), signer)?;
    Ok(serde_json::from_str(&data.to_json())?)
}

/// Microseconds of one call: the median of some batches that take so long together.
fn time<T>(budget: Duration, call: impl Fn() -> T) -> f64 {
    let batch = |count: u32| {
        let start = Instant::now();
        for _ in 0..count {
            black_box(call());
        }
        start.elapsed().as_secs_f64() / f64::from(count)
    };
    // The first call finds its caches cold.
    batch(3);
    let count = (budget.as_secs_f64() / f64::from(BATCHES) / batch(3)).clamp(1.0, 1e6) as u32;
    median((0..BATCHES).map(|_| batch(count))) * 1e6
}

async fn time_django(case: &Case, oracle: &Oracle, budget: Duration) -> Result<f64> {
    let ask = async |count: u32| -> Result<f64> {
        let question =
            json!({ "cmd": "time_decode", "session_data": case.session_data, "n": count });
        oracle.ask(question).await?["seconds"].as_f64().ok_or_else(|| "no time".into())
    };
    let once = ask(1).await?;
    let count = (budget.as_secs_f64() / f64::from(BATCHES) / once).clamp(1.0, 1e6) as u32;
    Ok(ask(count).await? * 1e6)
}

fn report(options: &Options, cases: &[Case], times: &HashMap<usize, Times>) -> String {
    let mut table = Table::new(&[
        "session",
        "row, bytes",
        "`user_id`, µs",
        "whole dictionary, µs",
        "Django, µs",
        "`user_id` / Django",
        "dictionary / Django",
    ]);
    for (index, case) in cases.iter().enumerate() {
        let Some(times) = times.get(&index) else { continue };
        let of_all = |values: &[f64]| number(median(values.iter().copied()));
        let to_django =
            |values: &[f64]| median(values.iter().zip(&times.django).map(|(ours, its)| ours / its));
        let [user_id, dictionary] = [to_django(&times.user_id), to_django(&times.dictionary)];
        table.row([
            case.title.clone(),
            number(case.session_data.len() as f64),
            of_all(&times.user_id),
            of_all(&times.dictionary),
            of_all(&times.django),
            ratio(user_id),
            ratio(dictionary),
        ]);
    }
    format!(
        "{}, {DJANGO}\n\n`{}`\n\nMedians of {} rounds.\n\n{}",
        machine::description(),
        options.command("decode"),
        options.rounds,
        table.to_markdown(),
    )
}
