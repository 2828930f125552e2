//! A service with one route that does the operations of the request on the session, as
//! `tests/django/writes.py` does.

use actix_django_session::{
    CsrfToken, DjangoSessionMiddleware, DjangoSessionMut, DjangoSite, Error, Expiry,
    OptionalDjangoUser,
};
use actix_http::Request;
use actix_service::{Service, ServiceExt, boxed::BoxService};
use actix_web::{
    App, FromRequest, HttpMessage, HttpRequest, HttpResponse, HttpResponseBuilder,
    body::{MessageBody, to_bytes},
    dev::{ServiceRequest, ServiceResponse},
    http::{StatusCode, header::SET_COOKIE},
    middleware::{Next, from_fn},
    test::{self, TestRequest},
    web,
};
use serde_json::{Value, json};
use tokio_postgres::NoTls;

use crate::beds::Bed;

/// The result of one request, in Rust or in Django.
#[derive(Debug, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) status: u64,
    pub(crate) set_cookie: Vec<String>,
    pub(crate) results: Value,
}

/// A service with its type erased.
pub(crate) type Served = BoxService<Request, ServiceResponse, actix_web::Error>;

fn boxed(
    service: impl Service<
        Request,
        Response = ServiceResponse<impl MessageBody + 'static>,
        Error = actix_web::Error,
    > + 'static,
) -> Served {
    actix_service::boxed::service(service.map(ServiceResponse::map_into_boxed_body))
}

/// Sends a request to a service of this site that does `ops` and answers with `status`.
pub(crate) async fn operate(
    site: &DjangoSite,
    cookie: Option<&str>,
    ops: &Value,
    status: u16,
) -> Outcome {
    operate_alone(&service(site).await, cookie, ops, status).await
}

/// That service.
pub(crate) async fn service(site: &DjangoSite) -> Served {
    let middleware = DjangoSessionMiddleware::optional(site.clone());
    let site = web::Data::new(site.clone());
    let app = App::new().app_data(site).wrap(middleware).route("/", web::get().to(perform));
    boxed(test::init_service(app).await)
}

/// Sends the request to such a service that is there already.
pub(crate) async fn operate_alone(
    app: &impl Service<Request, Response = ServiceResponse<impl MessageBody>, Error = actix_web::Error>,
    cookie: Option<&str>,
    ops: &Value,
    status: u16,
) -> Outcome {
    let mut request = TestRequest::get().uri("/").set_json(json!({ "ops": ops, "status": status }));
    if let Some(cookie) = cookie {
        request = request.insert_header(("Cookie", cookie));
    }
    outcome(test::call_service(app, request.to_request()).await).await
}

async fn outcome(response: ServiceResponse<impl MessageBody>) -> Outcome {
    outcome_of(response.into_parts().1).await
}

async fn outcome_of(response: HttpResponse<impl MessageBody>) -> Outcome {
    let status = response.status().as_u16().into();
    let set_cookie = response.headers().get_all(SET_COOKIE);
    let set_cookie = set_cookie.map(|header| header.to_str().unwrap().to_owned()).collect();
    let body = to_bytes(response.into_body()).await.unwrap_or_default();
    let results = serde_json::from_slice(&body).unwrap_or(Value::Null);
    Outcome { status, set_cookie, results }
}

/// Middlewares around the route, the outermost first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layers {
    pub(crate) sites: Vec<DjangoSite>,
    /// The outermost one checks CSRF only for logged-in users.
    pub(crate) csrf_if_logged_in: bool,
    /// Code behind the outermost one gets the user.
    pub(crate) looks: bool,
    /// How many of the operations run there instead of in the handler.
    pub(crate) between: usize,
}

/// A service with these middlewares; it does not look at `between`.
pub(crate) async fn service_behind(layers: &Layers) -> Served {
    let optional = |i: usize| DjangoSessionMiddleware::optional(layers.sites[i].clone());
    let outer = match layers.csrf_if_logged_in {
        true => optional(0).csrf_if_logged_in(),
        false => optional(0),
    };
    let app = App::new()
        .app_data(web::Data::new(layers.sites[2].clone()))
        .app_data(web::Data::new(layers.clone()))
        .wrap(optional(2))
        .wrap(optional(1))
        .wrap(from_fn(between))
        .wrap(outer)
        .default_service(web::to(perform));
    boxed(test::init_service(app).await)
}

/// Does the same behind these middlewares, with a POST request and its CSRF token.
pub(crate) async fn operate_behind(
    layers: &Layers,
    cookie: Option<&str>,
    ops: &Value,
    status: u16,
) -> Outcome {
    operate_in(&service_behind(layers).await, layers, cookie, ops, status).await
}

/// The same in a service of these middlewares that is there already.
pub(crate) async fn operate_in(
    app: &impl Service<Request, Response = ServiceResponse<impl MessageBody>, Error = actix_web::Error>,
    layers: &Layers,
    cookie: Option<&str>,
    ops: &Value,
    status: u16,
) -> Outcome {
    const SECRET: &str = "abcdefghijklmnopqrstuvwxyzABCDEF";
    let cookie = cookie.map_or(String::new(), |cookie| format!("; {cookie}"));
    // With `CSRF_USE_SESSIONS` the test cannot know the secret.
    let is_checked = layers.csrf_if_logged_in;
    let request = if is_checked { TestRequest::post() } else { TestRequest::get() };
    let request = request
        .insert_header(("Cookie", format!("csrftoken={SECRET}{cookie}")))
        .insert_header(("X-CSRFToken", SECRET))
        .set_json(json!({ "ops": ops, "status": status }));
    // The middleware gets the form too.
    let plan = json!({ "ops": ops, "between": layers.between });
    let request = request.insert_header(("X-Plan", plan.to_string()));
    match test::try_call_service(app, request.to_request()).await {
        Ok(response) => outcome(response).await,
        Err(error) => outcome_of(error.error_response()).await,
    }
}

async fn between(
    layers: web::Data<Layers>,
    mut req: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    if layers.looks {
        req.extract::<OptionalDjangoUser>().await?;
    }
    let plan = req.headers().get("X-Plan").unwrap().to_str().unwrap();
    let plan: Value = serde_json::from_str(plan).unwrap();
    let count = plan["between"].as_u64().unwrap() as usize;
    if count > 0 {
        let session = req.extract::<DjangoSessionMut>().await?;
        let mut results = Vec::new();
        for op in plan["ops"].as_array().unwrap().iter().take(count) {
            results.push(done(&session, op, req.request()).await?);
        }
        req.extensions_mut().insert(results);
    }
    next.call(req).await
}

/// Cookies that cannot be session keys, among other cookies, and one that could be.
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

/// The cookie of a response if no code reads the session, in a service of this site and in Django.
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

/// Does the same in Django.
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
    let mut results = req.extensions_mut().remove::<Vec<Value>>().unwrap_or_default();
    for op in plan["ops"].as_array().unwrap().iter().skip(results.len()) {
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
        "clear_expired" => drop(site(req).clear_expired().await?),
        "cycle_key" => session.cycle_key(),
        "flush" => session.flush(),
        "get" => return Ok(session.get(key)?.unwrap_or_default()),
        "get_token" => {
            let token = CsrfToken::extract(req).await.map_err(|_| Error::Anonymous)?;
            return Ok(token.as_str().len().into());
        }
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
                Some(backend) => session.login_with_backend(&user, backend).await?,
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
        // Another client runs SQL on the database with this address.
        "sql" => {
            let url = op[2].as_str().unwrap();
            let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
            actix_web::rt::spawn(connection);
            client.batch_execute(key).await.unwrap();
        }
        "user" => {
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
