//! Prints the script that exports the settings of a Django site. Run it in the folder of the site:
//!
//! ```sh
//! cargo example export_settings | python manage.py shell -v 0 > django-settings.json
//! ```
//!
//! It prints `src/settings/export_settings.py` on one line. If the pipe is slower than Django, as when cargo
//! has to build first, the shell treats the script as typed input. The one line works in both cases.

pub(crate) fn main() -> Result<(), serde_json::Error> {
    // A JSON string is also a Python string, because the script is ASCII.
    let script = serde_json::to_string(include_str!("../src/settings/export_settings.py"))?;
    // A shell with typed input would otherwise write a goodbye into the file.
    println!(
        "exec({script}, {{'__name__': 'export_settings'}}); __import__('os')._exit(0) # \
         src/settings/export_settings.py of actix-django-session"
    );
    Ok(())
}
