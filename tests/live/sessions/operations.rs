//! A service whose one route does to the session what a request says, as `tests/django/writes.py`.

use actix_django_session::{
    DjangoSessionMiddleware, DjangoSessionMut, DjangoSite, Error, Expiry, OptionalDjangoUser,
};
use actix_web::{
    App, HttpRequest, HttpResponse, HttpResponseBuilder,
    http::{StatusCode, header::SET_COOKIE},
    test::{self, TestRequest},
    web,
};
use serde_json::{Value, json};
use tokio_postgres::NoTls;

use crate::beds::Bed;

/// What came of one request, in Rust or in Django.
#[derive(Debug, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) status: u64,
    pub(crate) set_cookie: Vec<String>,
    pub(crate) results: Value,
}

/// Has a service of this store do `ops` and answer with `status`.
pub(crate) async fn operate(
    site: &DjangoSite,
    cookie: Option<&str>,
    ops: &Value,
    status: u16,
) -> Outcome {
    let middleware = DjangoSessionMiddleware::optional(site.clone());
    let site = web::Data::new(site.clone());
    let app = App::new().app_data(site).wrap(middleware).route("/", web::get().to(perform));
    let app = test::init_service(app).await;
    let mut request = TestRequest::get().uri("/").set_json(json!({ "ops": ops, "status": status }));
    if let Some(cookie) = cookie {
        request = request.insert_header(("Cookie", cookie));
    }
    let response = test::call_service(&app, request.to_request()).await;
    let status = response.status().as_u16().into();
    let set_cookie = response.headers().get_all(SET_COOKIE);
    let set_cookie = set_cookie.map(|header| header.to_str().unwrap().to_owned()).collect();
    let body = test::read_body(response).await;
    let results = serde_json::from_slice(&body).unwrap_or(Value::Null);
    Outcome { status, set_cookie, results }
}

/// Cookies that can be no session key, beside others, and one that could be one.
pub(crate) const ODD_COOKIES: [&str; 9] = [
    "sessionid=short",
    "sessionid=",
    "sessionid=\"\"",
    "sessionid",
    "other=1",
    "sessionid=kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk; sessionid=",
    "sessionid=; sessionid=kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk",
    "sessionid=short; sessionid",
    "sessionid=kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk",
];

/// What is said of the cookie where nothing looks into the session, by a service of this store and by
/// Django.
pub(crate) async fn leave_alone(
    bed: &Bed,
    site: &DjangoSite,
    cookie: &str,
    status: u16,
) -> [Vec<String>; 2] {
    let middleware = DjangoSessionMiddleware::optional(site.clone());
    let status_code = StatusCode::from_u16(status).unwrap();
    let page = web::get().to(move || async move { HttpResponse::new(status_code) });
    let app = test::init_service(App::new().wrap(middleware).route("/", page)).await;
    let request = TestRequest::get().insert_header(("Cookie", cookie)).to_request();
    let response = test::call_service(&app, request).await;
    let ours = response.headers().get_all(SET_COOKIE);
    let ours = ours.map(|header| header.to_str().unwrap().to_owned()).collect();
    [ours, django(bed, Some(cookie), &json!([]), status).await.set_cookie]
}

/// Has Django do the same.
pub(crate) async fn django(bed: &Bed, cookie: Option<&str>, ops: &Value, status: u16) -> Outcome {
    let question = json!({ "cmd": "operate", "cookie": cookie, "ops": ops, "status": status });
    let answer = bed.ask(question).await;
    let texts = answer["set_cookie"].as_array().unwrap().iter();
    Outcome {
        status: answer["status"].as_u64().unwrap(),
        set_cookie: texts.map(|text| text.as_str().unwrap().to_owned()).collect(),
        results: answer["results"].clone(),
    }
}

async fn perform(
    session: DjangoSessionMut,
    plan: web::Json<Value>,
    req: HttpRequest,
) -> Result<HttpResponse, Error> {
    let mut results = Vec::new();
    for op in plan["ops"].as_array().unwrap() {
        results.push(done(&session, op, &req).await?);
    }
    let status = StatusCode::from_u16(plan["status"].as_u64().unwrap() as u16).unwrap();
    Ok(HttpResponseBuilder::new(status).json(results))
}

fn site(req: &HttpRequest) -> &DjangoSite {
    req.app_data::<web::Data<DjangoSite>>().unwrap()
}

pub(crate) async fn done(
    session: &DjangoSessionMut,
    op: &Value,
    req: &HttpRequest,
) -> Result<Value, Error> {
    let key = op[1].as_str().unwrap_or_default();
    match op[0].as_str().unwrap() {
        "append" => {
            let value = op[2].clone();
            session.update(key, move |list: &mut Vec<Value>| list.push(value.clone()))?;
        }
        "clear" => session.clear(),
        "cycle_key" => session.cycle_key(),
        "flush" => session.flush(),
        "get" => return Ok(session.get(key)?.unwrap_or_default()),
        "authenticate_login" => {
            let password = op[2].as_str().unwrap();
            let user = site(req).authenticate(key, password).await?;
            if let Some(user) = &user {
                session.login(user).await?;
            }
            return Ok(user.map(|user| user.username().to_owned()).into());
        }
        "insert" => session.insert(key, &op[2])?,
        "login" => {
            let user = site(req).user_by_username(key).await?;
            match op[2].as_str() {
                Some(backend) => session.login_by(&user, backend).await?,
                None => session.login(&user).await?,
            }
        }
        "logout" => session.logout().await?,
        "remove" => return Ok(session.remove(key).into()),
        "save" => session.save().await?,
        "set_expiry" => {
            session.set_expiry(op[1].as_i64().map_or(Expiry::Default, Expiry::Seconds))?;
        }
        "set_expiry_in" => {
            let seconds = std::time::Duration::from_secs(op[1].as_u64().unwrap());
            session.set_expiry(Expiry::In(seconds))?;
        }
        // By somebody else, on the database with this address.
        "sql" => {
            let url = op[2].as_str().unwrap();
            let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
            actix_web::rt::spawn(connection);
            client.batch_execute(key).await.unwrap();
        }
        "user" => {
            use actix_web::FromRequest;
            let user = OptionalDjangoUser::extract(req).await.map_err(|_| Error::Anonymous)?;
            return Ok(user.0.map(|user| user.username().to_owned()).into());
        }
        "update_session_auth_hash" => {
            let user = site(req).user_by_username(key).await?;
            session.update_session_auth_hash(&user).await?;
        }
        other => panic!("{other}"),
    }
    Ok(Value::Null)
}
