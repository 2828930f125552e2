//! Prints the script that tells this crate the settings of a Django site. Run it inside the site:
//!
//! ```sh
//! cargo run --example export_settings | python manage.py shell -v 0 > django-settings.json
//! ```
//!
//! What it prints is `src/settings/export_settings.py` on one line. Where the pipe is slower than
//! Django, as when cargo has to build first, the shell takes what comes for somebody's typing, and
//! that line is right then as well.

fn main() -> Result<(), serde_json::Error> {
    // A text in JSON is one in Python too: the script is ASCII.
    let script = serde_json::to_string(include_str!("../src/settings/export_settings.py"))?;
    // A shell that takes it for typing would go on to say good-bye into the file.
    println!(
        "exec({script}, {{'__name__': 'export_settings'}}); __import__('os')._exit(0) # \
         src/settings/export_settings.py of actix-django-session"
    );
    Ok(())
}
