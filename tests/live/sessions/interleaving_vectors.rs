//! What six versions of Django did with concurrent requests of one browser: each step begins when the step
//! before it is done.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use actix_django_session::{
    DjangoSessionMiddleware, DjangoSessionMut, DjangoSite, Error, SessionData, SessionKey,
    SessionSigner,
};
use actix_web::{
    App, HttpRequest, HttpResponseBuilder,
    body::to_bytes,
    http::{StatusCode, header::SET_COOKIE},
    rt::{spawn, task::JoinHandle},
    test::{TestRequest, init_service, try_call_service},
    web,
};
use futures_util::future::{join, ready};
use serde_json::{Value, json};
use testbed::{Django, Settings};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio_postgres::Client;

use crate::{
    beds::Bed,
    login::vectors::{
        NOW, SECRET_KEY, cookie, create_rows, name, seconds, settings, vectors,
        without_random_parts,
    },
    sessions::{
        interleavings::{a_statement_waits, connect},
        operations::{Outcome, done},
    },
};

/// The vectors on which this crate differs from Django, each with its reason.
const DIFFERENT: &[(&str, &str)] = &[
    ("001", "the changes of both requests are saved"),
    ("006", "the middleware has read the session by then, and an ended session stays ended"),
    ("008", "an ended session stays ended"),
    ("009", "the same: the user was found, and no row comes back"),
    ("011", "data of a session that another request moved to a new key does not come back"),
    ("012", "one of the requests moves the session to a new key"),
    ("016", "as 006"),
    ("020", "data that another client saved is kept: here, data with an invalid signature"),
];

/// The reason why the crate cannot run a vector.
fn why_not(vector: &Value) -> Option<&'static str> {
    let steps = vector["steps"].to_string();
    let is = |word: &str| steps.contains(&format!("\"{word}\""));
    if is("server") {
        Some(
            "settings of Django's own connection; tests/faults covers lost connections of this crate",
        )
    } else if is("hook") {
        Some("a change between Django's read of its cache and of the row")
    } else if is("clock") {
        Some("a clock that is changed")
    } else {
        None
    }
}

#[testbed::test]
async fn concurrent_requests_behave_as_in_django() {
    // A separate database, so that any connection that waits for a lock belongs to this test.
    let bed = Bed::start(Django::default(), Settings::default().secret_key(SECRET_KEY)).await;
    let (mut compared, mut different, mut wrong) = (0, 0, Vec::new());
    let mut left_out = BTreeMap::<&str, usize>::new();
    for vector in vectors(&["interleaving"]) {
        if let Some(reason) = why_not(&vector) {
            *left_out.entry(reason).or_default() += 1;
            continue;
        }
        let id = vector["id"].as_str().unwrap().strip_prefix("main/interleaving/").unwrap();
        let (actual, expected) = (actual(&bed, &vector).await, expected(&vector));
        if let Some((id, reason)) = DIFFERENT.iter().find(|(other, _)| *other == id) {
            assert_ne!(actual, expected, "{id} now behaves as in Django: not {reason}");
            different += 1;
        } else if actual == expected {
            compared += 1;
        } else {
            let note = &vector["note"];
            wrong.push(format!("{id} {note}\n  here  {actual}\n  there {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!((compared, different), (14, DIFFERENT.len()));
    let expected = [
        ("a clock that is changed", 1),
        (
            "settings of Django's own connection; tests/faults covers lost connections of this crate",
            5,
        ),
        ("a change between Django's read of its cache and of the row", 2),
    ];
    assert_eq!(left_out, BTreeMap::from(expected));
}

/// A request whose handler is running.
struct Request {
    steps: mpsc::UnboundedSender<(Value, oneshot::Sender<()>)>,
    answer: JoinHandle<Outcome>,
}

impl Request {
    async fn start(site: DjangoSite, cookie: Option<String>) -> Self {
        let (steps, inbox) = mpsc::unbounded_channel::<(Value, oneshot::Sender<()>)>();
        let inbox = Rc::new(Mutex::new(inbox));
        let (begun, has_begun) = oneshot::channel::<()>();
        let begun = Rc::new(RefCell::new(Some(begun)));
        let data = web::Data::new(site.clone());
        let handler = move |session: DjangoSessionMut, req: HttpRequest| {
            let inbox = Rc::clone(&inbox);
            begun.take().into_iter().for_each(|begun| begun.send(()).unwrap());
            async move {
                let (mut results, mut status) = (Vec::new(), 200);
                while let Some((step, taken)) = inbox.lock().await.recv().await {
                    if let Some(finish) = step.as_u64() {
                        status = finish;
                        break;
                    }
                    results.push(done(&session, &step, &req).await?);
                    taken.send(()).unwrap();
                }
                let status = StatusCode::from_u16(status as u16).unwrap();
                Ok::<_, Error>(HttpResponseBuilder::new(status).json(results))
            }
        };
        let answer = spawn(async move {
            let middleware = DjangoSessionMiddleware::optional(site);
            let app = App::new().app_data(data).wrap(middleware).route("/", web::get().to(handler));
            let app = init_service(app).await;
            let mut request = TestRequest::get();
            if let Some(cookie) = cookie {
                request = request.insert_header(("Cookie", cookie));
            }
            let response = match try_call_service(&app, request.to_request()).await {
                Ok(response) => response.into_parts().1.map_into_boxed_body(),
                Err(error) => error.error_response(),
            };
            let status = response.status().as_u16().into();
            let set_cookie = response.headers().get_all(SET_COOKIE);
            let set_cookie = set_cookie.map(|text| text.to_str().unwrap().to_owned()).collect();
            let body = to_bytes(response.into_body()).await.unwrap_or_default();
            let results = serde_json::from_slice(&body).unwrap_or(Value::Null);
            Outcome { status, set_cookie, results }
        });
        // An error if the request was refused before.
        let _ = has_begun.await;
        Self { steps, answer }
    }

    /// Makes the handler take a step, or answer with a status. An error if the handler has already ended.
    async fn step(&self, step: Value) {
        let (taken, is_taken) = oneshot::channel();
        let _ = self.steps.send((step, taken));
        let _ = is_taken.await;
    }
}

/// The running requests by name, the results of the finished ones, and another client's transaction.
struct Browser {
    site: DjangoSite,
    requests: BTreeMap<String, Request>,
    done: BTreeMap<String, Value>,
    other: Rc<Client>,
}

impl Browser {
    async fn take(&mut self, step: &Value) {
        let name = step[0].as_str().unwrap();
        let argument = step[2].as_str();
        match (name, step[1].as_str().unwrap()) {
            ("X", "begin") => {
                let statement = format!("BEGIN; {}", argument.unwrap());
                self.other.batch_execute(&statement).await.unwrap();
            }
            ("X", "sql") => self.other.batch_execute(argument.unwrap()).await.unwrap(),
            (_, "start") => {
                let cookie = argument.map(str::to_owned);
                let request = Request::start(self.site.clone(), cookie).await;
                self.requests.insert(name.to_owned(), request);
            }
            (_, "ops") if !self.requests.contains_key(name) => {}
            (_, "ops") => {
                for op in step[2].as_array().unwrap() {
                    self.requests[name].step(as_here(op)).await;
                }
            }
            (_, "finish") => {
                let Request { steps, answer } = self.requests.remove(name).unwrap();
                let (taken, _) = oneshot::channel();
                let _ = steps.send((step[2].clone(), taken));
                let Outcome { status, set_cookie, results } = answer.await.unwrap();
                self.done
                    .insert(name.to_owned(), comparable_response(status, &set_cookie, results));
            }
            _ => panic!("{step}"),
        }
    }
}

/// The name of Django's operation in this crate's tests.
fn as_here(op: &Value) -> Value {
    match op[0].as_str().unwrap() {
        "set" => json!(["insert", op[1], op[2]]),
        "login" => json!(["login", if op[1] == 1 { "alice" } else { "bob" }]),
        "authenticate_login" => json!(["authenticate_login", op[1]["username"], op[1]["password"]]),
        "request_user" => json!(["user"]),
        _ => op.clone(),
    }
}

/// The results of the requests, and the rows.
async fn actual(bed: &Bed, vector: &Value) -> Value {
    create_rows(bed, vector).await;
    let settings = settings(vector);
    let signer = SessionSigner::new(&settings).unwrap();
    let site = DjangoSite::new(bed.pool(), settings).unwrap();
    let site = site.on_session_change(|_: SessionKey| ready(Ok::<_, std::io::Error>(())));
    let (other, watcher) = (Rc::new(connect(bed).await), connect(bed).await);
    let (requests, done) = (BTreeMap::new(), BTreeMap::new());
    let mut browser = Browser { site, requests, done, other: Rc::clone(&other) };
    let steps = vector["steps"].as_array().unwrap();
    let later = steps.iter().position(|step| step[1] == "end_later");
    let (before, after) = steps.split_at(later.unwrap_or(steps.len()));
    for step in before {
        browser.take(step).await;
    }
    if let Some((end, after)) = after.split_first() {
        let going_on = async {
            for step in after {
                browser.take(step).await;
            }
        };
        let ending = async {
            a_statement_waits(&watcher).await;
            other.batch_execute(end[2].as_str().unwrap()).await.unwrap();
        };
        join(going_on, ending).await;
    }
    json!({ "requests": browser.done, "rows": rows_here(bed, &signer, vector).await })
}

fn expected(vector: &Value) -> Value {
    let expect = vector["expect"].as_object().unwrap();
    let requests = expect.iter().filter(|(_, answer)| answer["status"].is_u64());
    let requests: BTreeMap<_, _> = requests
        .map(|(name, answer)| {
            let cookies = answer["set_cookie"].as_array().unwrap().iter();
            let cookies: Vec<_> = cookies.map(|text| text.as_str().unwrap().to_owned()).collect();
            let status = answer["status"].as_u64().unwrap();
            let results = answer["results"].as_array().unwrap();
            let compared = results.iter().take(results_before_the_response(vector, name));
            (name, comparable_response(status, &cookies, compared.cloned().collect()))
        })
        .collect();
    let rows = expect["rows"].as_array().unwrap().iter().map(|row| {
        let data = row["data_json"].as_str().unwrap_or(row["session_data"].as_str().unwrap());
        let left = seconds(row["expire_date"].as_str().unwrap()) - NOW;
        described(row["session_key"].as_str().unwrap(), &without_random_parts(data, vector), left)
    });
    let mut rows: Vec<_> = rows.collect();
    rows.sort();
    json!({ "requests": requests, "rows": rows })
}

/// The number of results before the response. Django's vectors also have the user after the response; here
/// it is not compared.
fn results_before_the_response(vector: &Value, name: &str) -> usize {
    let steps = vector["steps"].as_array().unwrap().iter().filter(|step| step[0] == name);
    let steps = steps.take_while(|step| step[1] != "finish").filter(|step| step[1] == "ops");
    steps.map(|step| step[2].as_array().unwrap().len()).sum()
}

fn comparable_response(status: u64, set_cookie: &[String], results: Value) -> Value {
    let cookies = set_cookie.iter().map(|text| cookie(text));
    // The CSRF cookie of a login: Django had no CSRF middleware in these vectors.
    let cookies = cookies.filter(|cookie| !cookie.starts_with("csrftoken"));
    // A user by the id, or by the id and the backend.
    let is_by_backend = |result: &Value| result[1].is_string();
    let user = |result: &Value| match is_by_backend(result) {
        true => result[0].as_u64(),
        false => result.as_u64(),
    };
    let results = results.as_array().into_iter().flatten().map(|result| match user(result) {
        Some(1) => "alice".into(),
        Some(2) => "bob".into(),
        _ => result.clone(),
    });
    let results = if status == 200 { results.collect::<Vec<_>>() } else { Vec::new() };
    json!({ "status": status, "cookies": cookies.collect::<Vec<_>>(), "results": results })
}

async fn rows_here(bed: &Bed, signer: &SessionSigner, vector: &Value) -> Vec<String> {
    let rows = bed
        .sql(
            "SELECT session_key, session_data, extract(epoch FROM expire_date - now())::float8 \
             FROM django_session",
        )
        .await;
    let rows = rows.as_array().unwrap().iter().map(|row| {
        let text = row[1].as_str().unwrap();
        let json = SessionData::decode(text, signer).map(|data| data.to_json().into_owned());
        let data = json.unwrap_or_else(|_| text.to_owned());
        described(
            row[0].as_str().unwrap(),
            &without_random_parts(&data, vector),
            row[2].as_f64().unwrap(),
        )
    });
    let mut rows: Vec<_> = rows.collect();
    rows.sort();
    rows
}

/// Rounded to some minutes, because the clock runs here.
fn described(key: &str, data: &str, seconds_left: f64) -> String {
    format!("{} {data} {:.0}", name(key), seconds_left / 600.0)
}
