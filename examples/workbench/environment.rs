//! The settings in the environment.

use std::{env, error::Error, fs, io};

use actix_django_session::{DjangoSettings, UserModel};

pub(crate) fn settings() -> Result<DjangoSettings, Box<dyn Error>> {
    let secret_key = required("DJANGO_SECRET_KEY")?;
    let mut settings = match optional("DJANGO_SETTINGS") {
        Some(path) => {
            let json = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
            DjangoSettings::from_json(&json, secret_key)?
        }
        None => by_variables(DjangoSettings::new(secret_key)),
    };
    if let Some(connections) = optional("MAX_CONNECTIONS") {
        settings.max_connections = connections.parse()?;
    }
    settings.secret_key_fallbacks = list("DJANGO_SECRET_KEY_FALLBACKS");
    settings.write_sessions = true;
    Ok(settings)
}

fn by_variables(mut settings: DjangoSettings) -> DjangoSettings {
    if let Some(name) = optional("SESSION_COOKIE_NAME") {
        settings.session_cookie_name = name;
    }
    if let Some(url) = optional("LOGIN_URL") {
        settings.login_url = url;
    }
    if let Some(table) = optional("AUTH_USER_TABLE") {
        settings.user_model = UserModel::new(table);
    }
    if optional("AUTHENTICATION_BACKENDS").is_some() {
        settings.authentication_backends = list("AUTHENTICATION_BACKENDS");
    }
    // The hosts that Django allows on a developer's machine.
    settings.allowed_hosts = match optional("ALLOWED_HOSTS") {
        Some(_) => list("ALLOWED_HOSTS"),
        None => [".localhost", "127.0.0.1", "[::1]"].map(Into::into).to_vec(),
    };
    settings
}

/// An environment variable that is set and not empty.
pub(crate) fn optional(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

pub(crate) fn required(name: &str) -> io::Result<String> {
    optional(name).ok_or_else(|| io::Error::other(format!("the environment has no {name}")))
}

/// A comma-separated list; unset or empty means an empty list.
fn list<T: for<'a> From<&'a str>>(name: &str) -> Vec<T> {
    let items = optional(name).unwrap_or_default();
    items.split(',').map(str::trim).filter(|item| !item.is_empty()).map(Into::into).collect()
}
