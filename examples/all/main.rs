//! The other examples as one program, for the tests, which run most of them. To build and link each takes seconds.
//!
//! Its own name says which one runs: `bash -c 'exec -a whoami target/debug/examples/all'`. People run
//! `cargo example whoami`.

use std::{
    env,
    path::Path,
    process::{ExitCode, Termination},
};

macro_rules! examples {
    ($($path:literal $name:ident,)+) => {
        $(#[path = $path] mod $name;)+

        fn run(name: &str) -> ExitCode {
            match name {
                $(stringify!($name) => $name::main().report(),)+
                _ => {
                    eprintln!("no example {name:?}");
                    ExitCode::FAILURE
                }
            }
        }
    };
}

examples! {
    "../auth_version.rs" auth_version,
    "../cached_db.rs" cached_db,
    "../cart.rs" cart,
    "../compare.rs" compare,
    "../error_handler.rs" error_handler,
    "../export_settings.rs" export_settings,
    "../forms.rs" forms,
    "../health.rs" health,
    "../impersonation.rs" impersonation,
    "../log_in.rs" log_in,
    "../metrics.rs" metrics,
    "../mixed_pages.rs" mixed_pages,
    "../orders.rs" orders,
    "../password_file.rs" password_file,
    "../permissions_and_pages.rs" permissions_and_pages,
    "../rest_framework.rs" rest_framework,
    "../signing.rs" signing,
    "../single_page_app.rs" single_page_app,
    "../tls.rs" tls,
    "../two_factor.rs" two_factor,
    "../upload.rs" upload,
    "../websocket.rs" websocket,
    "../whoami.rs" whoami,
    "../workbench/main.rs" workbench,
}

fn main() -> ExitCode {
    let own_name = env::args_os().next().unwrap_or_default();
    run(&Path::new(&own_name).file_name().unwrap_or_default().to_string_lossy())
}
