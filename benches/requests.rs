//! The cost of a middleware. Each variant runs in a process of its own and answers over real sockets; the
//! variants take turns.

#[allow(dead_code, reason = "each benchmark uses its part")]
mod common;

use std::{collections::HashMap, fs};

use actix_django_session::SessionKey;
use actix_web::rt::System;
use common::{
    DJANGO, Result,
    chart::{self, Bar},
    far,
    load::{Load, Request, Until},
    machine,
    measure::{Visit, visit},
    options::Options,
    process::resident_bytes,
    report::{self, Goals, Table, number, ratio},
    server::{Server, Variant, cookie, serve_if_asked},
    site::Site,
    stats::{Rng, median},
};

/// The number of connections that most goals are about.
const TYPICAL: usize = 32;

const MEGABYTE: f64 = (1 << 20) as f64;

fn main() -> Result<()> {
    serve_if_asked();
    let options = Options::from_command_line();
    System::new().block_on(run(&options))
}

async fn run(options: &Options) -> Result<()> {
    let site = Site::start(options).await?;
    let results = match options.load {
        true => Some(Results::measure(options, &site, site.database_url()).await?),
        false => None,
    };
    let elsewhere = match options.load && options.only.is_empty() {
        true => Some(Elsewhere::measure(options, &site).await?),
        false => None,
    };
    let memory = match options.memory {
        true => Some(Memory::measure(options, &site).await?),
        false => None,
    };
    let report = report(options, &site, results.as_ref(), elsewhere.as_ref(), memory.as_ref());
    println!("\n{report}");
    if !options.save {
        return Ok(());
    }
    match &results {
        Some(results) if memory.is_some() && options.only.is_empty() => {
            report::save("requests", &report)?;
            fs::write(report::folder().join("requests.svg"), results.chart(options))?;
            Ok(())
        }
        _ => Err("not saved: only a whole run is".into()),
    }
}

/// All visits of a run.
struct Results {
    variants: Vec<Variant>,
    /// By variant and number of connections, one for each round.
    visits: HashMap<(Variant, usize), Vec<Visit>>,
    /// In bytes, at the end of the last round.
    resident: HashMap<Variant, Option<u64>>,
}

/// What is compared between variants.
type Quantity = fn(&Visit) -> f64;

const REQUESTS_PER_SECOND: Quantity = |visit| visit.requests_per_second;
const P50: Quantity = |visit| visit.p50;
const P99: Quantity = |visit| visit.p99;
const SERVER_CPU: Quantity = |visit| visit.server_cpu.unwrap_or(f64::NAN);
const POSTGRES_CPU: Quantity = |visit| visit.postgres_cpu.unwrap_or(f64::NAN);
const CPU: Quantity = |visit| visit.cpu().unwrap_or(f64::NAN);

impl Results {
    async fn measure(options: &Options, site: &Site, database_url: &str) -> Result<Self> {
        let only = &options.only;
        if let Some(unknown) =
            only.iter().find(|name| Variant::ALL.iter().all(|variant| variant.name() != *name))
        {
            let names = Variant::ALL.map(Variant::name).join(", ");
            return Err(format!("there is no {unknown}, only {names}").into());
        }
        let wanted =
            |variant: &Variant| only.is_empty() || only.iter().any(|name| name == variant.name());
        let variants: Vec<Variant> = Variant::ALL.into_iter().filter(wanted).collect();
        let mut rng = Rng::new(options.seed);
        let mut visits: HashMap<_, Vec<Visit>> = HashMap::new();
        let mut resident = HashMap::new();
        for round in 1..=options.rounds {
            eprintln!("round {round} of {}", options.rounds);
            // Two processes of the same code can differ by a tenth as long as they live, so each round has new
            // ones.
            let mut servers = Self::start(&variants, options, site, database_url).await?;
            for &connections in &options.connections {
                rng.shuffle(&mut servers);
                // What goals compare comes in a row: a shared machine is another one a while later.
                servers.sort_by_key(|(variant, ..)| !variant.has_goal());
                for (variant, server, requests) in &servers {
                    let seed = rng.below(1 << 30) as u64;
                    let window = options.window();
                    let requests = (&requests[..], variant.in_a_row());
                    let found = visit(server, site, requests, connections, window, Rng::new(seed))
                        .map_err(|error| format!("{}: {error}", variant.name()))?;
                    visits.entry((*variant, connections)).or_default().push(found);
                }
            }
            let at_the_end = servers.iter().map(|(variant, server, _)| (*variant, server));
            resident
                .extend(at_the_end.map(|(variant, server)| (variant, resident_bytes(server.pid))));
        }
        Ok(Self { variants, visits, resident })
    }

    /// Starts the servers, and asks each for all that it keeps: what comes first opens connections and
    /// prepares statements, and a visitor's first visit takes a second query.
    async fn start(
        variants: &[Variant],
        options: &Options,
        site: &Site,
        database_url: &str,
    ) -> Result<Vec<(Variant, Server, Vec<Request>)>> {
        let widest = options.connections.iter().copied().max().unwrap_or(1);
        let mut servers = Vec::new();
        for &variant in variants {
            let server =
                Server::start(variant, database_url, options.workers, options.pool, &options.under)
                    .await?;
            let requests = variant.requests(site);
            let rng = Rng::new(options.seed);
            Load::new(server.address, widest, &requests, variant.in_a_row(), rng)
                .and_then(|mut load| match variant.remembers_visitors() {
                    true => load.run_through(),
                    false => load.run(Until::Elapsed(options.window())),
                })
                .map_err(|error| format!("{}: {error}", variant.name()))?;
            servers.push((variant, server, requests));
        }
        Ok(servers)
    }

    fn median(&self, variant: Variant, connections: usize, quantity: Quantity) -> f64 {
        median(self.visits.get(&(variant, connections)).into_iter().flatten().map(quantity))
    }

    /// The median of the rounds' ratios: within a round, the machine is the same.
    fn ratio(&self, one: Variant, other: Variant, connections: usize, quantity: Quantity) -> f64 {
        let of = |variant| self.visits.get(&(variant, connections)).into_iter().flatten();
        median(of(one).zip(of(other)).map(|(one, other)| quantity(one) / quantity(other)))
    }

    fn table(&self, connections: usize) -> Table {
        let mut table = Table::new(&[
            "server",
            "requests/s",
            "p50, µs",
            "p99, µs",
            "CPU µs, server",
            "PostgreSQL",
            "both",
            "resident, MB",
        ]);
        for &variant in &self.variants {
            let of = |quantity| number(self.median(variant, connections, quantity));
            let resident = self.resident[&variant].map_or(f64::NAN, |bytes| bytes as f64);
            table.row([
                variant.title().into(),
                of(REQUESTS_PER_SECOND),
                of(P50),
                of(P99),
                of(SERVER_CPU),
                of(POSTGRES_CPU),
                of(CPU),
                number(resident / MEGABYTE),
            ]);
        }
        table
    }

    /// Only what a visitor and an operator would ask first, and both to the baseline.
    fn few(&self, connections: usize) -> Table {
        let mut table =
            Table::new(&["server", "requests/s", "/ baseline", "p99, µs", "/ baseline"]);
        for &variant in &self.variants {
            let of = |quantity| number(self.median(variant, connections, quantity));
            let to_baseline =
                |quantity| ratio(self.ratio(variant, Variant::Baseline, connections, quantity));
            table.row([
                variant.title().into(),
                of(REQUESTS_PER_SECOND),
                to_baseline(REQUESTS_PER_SECOND),
                of(P99),
                to_baseline(P99),
            ]);
        }
        table
    }

    /// Every quantity to that of the baseline, of the bare handler and of Django.
    fn ratios(&self, connections: usize) -> Table {
        let mut table =
            Table::new(&["to baseline / bare handler / Django", "requests/s", "CPU", "p50", "p99"]);
        for &variant in &self.variants {
            let cell = |quantity| {
                [Variant::Baseline, Variant::Bare, Variant::Django]
                    .map(|other| ratio(self.ratio(variant, other, connections, quantity)))
                    .join(" / ")
            };
            let cells = [REQUESTS_PER_SECOND, CPU, P50, P99].map(cell);
            table.row([variant.title().to_owned()].into_iter().chain(cells));
        }
        table
    }

    fn goals(&self, goals: &mut Goals) {
        use Variant::{
            Baseline, Django, LoginRequired, Permission, Required, RestJwt, RestToken, SlidePages,
            UserId,
        };
        // To the baseline, the obvious query for each request, at these numbers of connections.
        let cpu = [
            (Required, [1.1, 0.65, 0.4, 0.33]),
            (LoginRequired, [1.3, 0.9, 0.55, 0.45]),
            (Permission, [1.45, 1.0, 0.7, 0.55]),
        ];
        let requests_per_second =
            [(Required, [0.92, 1.1, 1.8, 2.4]), (LoginRequired, [0.8, 0.95, 1.4, 1.9])];
        let at = [1, 8, TYPICAL, 256];
        for (variant, of_variant) in cpu {
            for (connections, goal) in at.into_iter().zip(of_variant) {
                let what = Self::goal_of(variant, connections, "CPU per request / baseline");
                goals.at_most(&what, goal, self.ratio(variant, Baseline, connections, CPU));
            }
        }
        for (variant, of_variant) in requests_per_second {
            for (connections, goal) in at.into_iter().zip(of_variant) {
                let what = Self::goal_of(variant, connections, "requests/s / baseline");
                let measured = self.ratio(variant, Baseline, connections, REQUESTS_PER_SECOND);
                goals.at_least(&what, goal, measured);
            }
        }
        for (quantity, name, connections) in [(P99, "p99", 8), (P99, "p99", 256)] {
            let what = Self::goal_of(Required, connections, &format!("{name} / baseline"));
            goals.at_most(&what, 1.0, self.ratio(Required, Baseline, connections, quantity));
        }
        let rps = |one, other| self.ratio(one, other, TYPICAL, REQUESTS_PER_SECOND);
        goals.at_least(
            "`required` with `DjangoUserId`: requests/s / `required`",
            0.9,
            rps(UserId, Required),
        );
        let what = Self::goal_of(SlidePages, TYPICAL, "CPU per request / `required`");
        goals.at_most(&what, 1.5, self.ratio(SlidePages, Required, TYPICAL, CPU));
        // A token costs at most what a visitor with a session costs, and a JWT less.
        let to_a_visitor = |variant| self.ratio(variant, LoginRequired, TYPICAL, CPU);
        let what = |variant| Self::goal_of(variant, TYPICAL, "CPU per request / `login_required`");
        goals.at_most(&what(RestToken), 1.0, to_a_visitor(RestToken));
        goals.below(&what(RestJwt), 1.0, to_a_visitor(RestJwt));
        goals.at_least(
            "`login_required`: requests/s / Django view",
            25.0,
            rps(LoginRequired, Django),
        );
    }

    fn goal_of(variant: Variant, connections: usize, what: &str) -> String {
        let plural = if connections == 1 { "" } else { "s" };
        format!("{}, {connections} connection{plural}: {what}", variant.title())
    }

    /// How far the numbers can be trusted.
    fn trust(&self) -> String {
        let all = || self.visits.values().flatten();
        let most = |quantity: fn(&Visit) -> Option<f64>| {
            all().filter_map(quantity).fold(f64::NAN, f64::max)
        };
        let others = median(all().filter_map(|visit| visit.other_cores));
        let spread = |visits: &Vec<Visit>| {
            let values = || visits.iter().map(REQUESTS_PER_SECOND);
            let middle = median(values());
            values().map(|value| (value / middle - 1.0).abs()).fold(0.0, f64::max)
        };
        let spread = median(self.visits.values().map(spread)) * 100.0;
        let warning =
            if others > 0.05 { " **The machine was busy: these numbers are noise.**" } else { "" };
        format!(
            "Requests/s differ between rounds by up to {spread:.0} % from their median (median of \
             all servers). The load kept at most {:.2} cores busy; what had nothing to do with \
             this, {others:.2} (median; at most {:.2}).{warning}",
            most(|visit| visit.load_cores),
            most(|visit| visit.other_cores),
        )
    }

    fn chart(&self, options: &Options) -> String {
        let connections = match options.connections.contains(&TYPICAL) {
            true => TYPICAL,
            false => options.connections[0],
        };
        let bar = |&variant: &Variant| Bar {
            name: variant.title().replace('`', ""),
            is_ours: variant.is_ours(),
            requests_per_second: self.median(variant, connections, REQUESTS_PER_SECOND),
            server_cpu: self.median(variant, connections, SERVER_CPU),
            postgres_cpu: self.median(variant, connections, POSTGRES_CPU),
        };
        let bars: Vec<Bar> = self.variants.iter().map(bar).collect();
        let title = format!(
            "{connections} keep-alive connections, {} worker{} each",
            options.workers,
            if options.workers == 1 { "" } else { "s" }
        );
        chart::svg(&title, &machine::description(), &bars)
    }
}

/// The same on other ground: with two workers, and with a database some way off.
struct Elsewhere {
    two_workers: (Options, Results),
    far: (Options, Results),
}

impl Elsewhere {
    async fn measure(options: &Options, site: &Site) -> Result<Self> {
        use Variant::{Baseline, LoginBaseline, LoginRequired, Required};
        let only = [Baseline, Required, LoginBaseline, LoginRequired].map(Variant::name);
        let only = only.map(str::to_owned).to_vec();
        let two_workers = Options {
            workers: 2,
            connections: vec![TYPICAL, 256],
            only: only.clone(),
            ..options.clone()
        };
        let far = Options { connections: vec![8, TYPICAL, 256], only, ..options.clone() };
        eprintln!("two workers");
        let of_two = Results::measure(&two_workers, site, site.database_url()).await?;
        eprintln!("a database {:?} away", far::ROUND_TRIP);
        let of_far = Results::measure(&far, site, &far::relay(site.database_url())?).await?;
        Ok(Self { two_workers: (two_workers, of_two), far: (far, of_far) })
    }

    fn describe(&self) -> String {
        let mut text = String::from("\n### Two workers\n");
        let two_workers = &self.two_workers;
        text += &Self::tables(two_workers);
        text += &format!("\n### A database {:?} away, one worker\n", far::ROUND_TRIP);
        text + &Self::tables(&self.far)
    }

    fn tables((options, results): &(Options, Results)) -> String {
        let mut text = String::new();
        for &connections in &options.connections {
            text += &format!(
                "\n{connections} connections:\n\n{}",
                results.few(connections).to_markdown()
            );
        }
        text
    }
}

/// A million requests, a hundred thousand different keys, most of them of no session.
struct Memory {
    requests: usize,
    keys: usize,
    /// In bytes, after each tenth of the requests.
    resident: Vec<u64>,
}

impl Memory {
    async fn measure(options: &Options, site: &Site) -> Result<Self> {
        let requests = if options.quick { 20_000 } else { 1_000_000 };
        let keys = 5 * site.sessions.len();
        eprintln!("memory: {requests} requests with {keys} keys");
        let variant = Variant::LoginRequired;
        let server = Server::start(
            variant,
            site.database_url(),
            options.workers,
            options.pool,
            &options.under,
        )
        .await?;
        let mut asked = variant.requests(site);
        asked.resize_with(keys, || {
            let key = SessionKey::generate();
            Request::get("/", Some(("Cookie", &cookie(key.as_str()))), 302, String::new())
        });
        let mut load = Load::new(server.address, TYPICAL, &asked, 1, Rng::new(options.seed))?;
        // What is remembered of a visitor takes its memory with the first visits.
        load.run_through()?;
        let mut resident = Vec::new();
        for _ in 0..10 {
            load.run(Until::Answered(requests / 10))?;
            resident.extend(resident_bytes(server.pid));
        }
        Ok(Self { requests, keys, resident })
    }

    /// How much more memory there was at the end, or ever, than after the first tenth.
    fn growth(&self) -> Option<f64> {
        let (first, rest) = self.resident.split_first()?;
        let most = rest.iter().max()?;
        Some((*most as f64 - *first as f64) / MEGABYTE)
    }

    fn goal(&self, goals: &mut Goals) {
        let growth = self.growth();
        goals.is(
            &format!(
                "memory over {} requests with {} different keys",
                number(self.requests as f64),
                number(self.keys as f64)
            ),
            "flat: at most 1 MB more than after the first tenth",
            growth.map_or_else(|| "–".into(), |growth| format!("{growth:+.2} MB")),
            growth.map(|growth| growth <= 1.0),
        );
    }

    fn describe(&self) -> String {
        let shown: Vec<String> =
            self.resident.iter().map(|&bytes| format!("{:.1}", bytes as f64 / MEGABYTE)).collect();
        format!(
            "Resident memory of `login_required` after each tenth of {} requests with {} different \
             keys, four in five of them unknown, in MB: {}",
            number(self.requests as f64),
            number(self.keys as f64),
            shown.join(", ")
        )
    }
}

fn report(
    options: &Options,
    site: &Site,
    results: Option<&Results>,
    elsewhere: Option<&Elsewhere>,
    memory: Option<&Memory>,
) -> String {
    let mut text = format!(
        "{}, PostgreSQL {}, {DJANGO}\n\n`{}`\n",
        machine::description(),
        site.postgres_version,
        options.command("requests")
    );
    let mut goals = Goals::new();
    if let Some(results) = results {
        results.goals(&mut goals);
    }
    if let Some(memory) = memory {
        memory.goal(&mut goals);
    }
    text += &format!("\n### Goals\n\n{}", goals.to_markdown());
    if let Some(results) = results {
        for &connections in &options.connections {
            text += &format!(
                "\n### {connections} connection{}\n\n{}\n{}",
                if connections == 1 { "" } else { "s" },
                results.table(connections).to_markdown(),
                results.ratios(connections).to_markdown()
            );
        }
        text += &format!(
            "\nMedians of {} rounds of {} s; ratios are computed within each round. {}\n",
            options.rounds,
            options.seconds,
            results.trust()
        );
    }
    if let Some(elsewhere) = elsewhere {
        text += &elsewhere.describe();
    }
    if let Some(memory) = memory {
        text += &format!("\n{}\n", memory.describe());
    }
    text
}
