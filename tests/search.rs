//! Whoever types a name of Django's into the search of the documentation finds what does it here: rustdoc
//! searches names and aliases, in any case and without underscores.

use std::{collections::BTreeMap, fs, io, path::Path};

use syn::{
    Attribute, Field, ImplItemFn, ItemEnum, ItemFn, ItemStruct, Lit, Visibility,
    visit::{self, Visit},
};

/// What is typed, and what it has to lead to.
const WANTED: &[(&str, &str)] = &[
    ("request.user", "DjangoUser"),
    ("is_authenticated", "DjangoUser"),
    ("AnonymousUser", "OptionalDjangoUser"),
    ("request.session", "DjangoSession"),
    ("request.session", "DjangoSessionMut"),
    ("_auth_user_id", "DjangoUserId"),
    ("session_key", "SessionKey"),
    ("set_expiry", "set_expiry"),
    ("cycle_key", "cycle_key"),
    ("flush", "flush"),
    ("clearsessions", "clear_expired"),
    ("SessionMiddleware", "DjangoSessionMiddleware"),
    ("AuthenticationMiddleware", "DjangoSessionMiddleware"),
    ("CsrfViewMiddleware", "DjangoSessionMiddleware"),
    ("login_required", "login_required"),
    ("LoginRequiredMixin", "login_required"),
    ("permission_required", "permission_required"),
    ("PermissionRequiredMixin", "permission_required"),
    ("user_passes_test", "user_passes_test"),
    ("staff_member_required", "staff_required"),
    ("has_perm", "has_perm"),
    ("has_perms", "has_perms"),
    ("has_module_perms", "has_module_perms"),
    ("get_all_permissions", "permissions"),
    ("get_user", "get_user"),
    ("authenticate", "authenticate"),
    ("login", "login"),
    ("logout", "logout"),
    ("update_session_auth_hash", "update_session_auth_hash"),
    ("make_password", "make_password"),
    ("check_password", "check_password"),
    ("csrf_token", "CsrfToken"),
    ("get_token", "CsrfToken"),
    ("csrfmiddlewaretoken", "CsrfToken"),
    ("csrf_exempt", "csrf_exempt"),
    ("csrf_failure", "CsrfFailed"),
    ("messages", "Messages"),
    ("get_messages", "read"),
    ("add_message", "Messages"),
    ("url_has_allowed_host_and_scheme", "safe_next"),
    ("DEFAULT_AUTHENTICATION_CLASSES", "rest_framework"),
    ("IsAuthenticatedOrReadOnly", "is_authenticated_or_read_only"),
    ("SIMPLE_JWT", "rest_framework"),
    ("AUTH_USER_MODEL", "user_model"),
    ("USERNAME_FIELD", "username"),
    ("PermissionsMixin", "PermissionTables"),
    ("get_session_auth_hash", "SessionAuthHash"),
    ("SECRET_KEY_FALLBACKS", "secret_key_fallbacks"),
    ("SESSION_COOKIE_AGE", "session_cookie_age"),
    ("SESSION_SAVE_EVERY_REQUEST", "session_save_every_request"),
    ("CSRF_TRUSTED_ORIGINS", "csrf_trusted_origins"),
    ("LOGIN_URL", "login_url"),
    ("PASSWORD_HASHERS", "password_hashers"),
    ("SECURE_PROXY_SSL_HEADER", "secure_proxy_ssl_header"),
    ("DATA_UPLOAD_MAX_MEMORY_SIZE", "form_config"),
];

#[test]
fn djangos_names_lead_to_what_does_it_here() {
    let mut index = Index::default();
    index.read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    let missing: Vec<_> = WANTED
        .iter()
        .filter(|(typed, item)| !index.finds(typed).iter().any(|found| found == item))
        .collect();
    assert!(missing.is_empty(), "not found: {missing:?}");
}

/// The public items, by all that they are found by.
#[derive(Default)]
struct Index(BTreeMap<String, Vec<String>>);

impl Index {
    fn read(&mut self, folder: &Path) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                self.read(&path)?;
            } else if path.extension().is_some_and(|end| end == "rs") {
                let file = syn::parse_file(&fs::read_to_string(path)?).map_err(io::Error::other)?;
                self.visit_file(&file);
            }
        }
        Ok(())
    }

    fn add(&mut self, visibility: &Visibility, name: &syn::Ident, attributes: &[Attribute]) {
        if !matches!(visibility, Visibility::Public(_)) {
            return;
        }
        let name = name.to_string();
        for key in aliases(attributes).chain([name.clone()]) {
            self.0.entry(searched(&key)).or_default().push(name.clone());
        }
    }

    fn finds(&self, typed: &str) -> &[String] {
        self.0.get(&searched(typed)).map_or(&[], Vec::as_slice)
    }
}

impl<'a> Visit<'a> for Index {
    fn visit_item_struct(&mut self, item: &'a ItemStruct) {
        self.add(&item.vis, &item.ident, &item.attrs);
        visit::visit_item_struct(self, item);
    }

    fn visit_item_enum(&mut self, item: &'a ItemEnum) {
        self.add(&item.vis, &item.ident, &item.attrs);
        for variant in &item.variants {
            self.add(&item.vis, &variant.ident, &variant.attrs);
        }
    }

    fn visit_item_fn(&mut self, item: &'a ItemFn) {
        self.add(&item.vis, &item.sig.ident, &item.attrs);
    }

    fn visit_impl_item_fn(&mut self, item: &'a ImplItemFn) {
        self.add(&item.vis, &item.sig.ident, &item.attrs);
    }

    fn visit_field(&mut self, field: &'a Field) {
        if let Some(name) = &field.ident {
            self.add(&field.vis, name, &field.attrs);
        }
    }
}

/// As rustdoc compares what is typed.
fn searched(name: &str) -> String {
    name.to_lowercase().replace('_', "")
}

fn aliases(attributes: &[Attribute]) -> impl Iterator<Item = String> + '_ {
    attributes.iter().filter(|attribute| attribute.path().is_ident("doc")).filter_map(|attribute| {
        let mut alias = None;
        // What is written in another way, as `#[doc = ".."]`, is no list.
        let _ = attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("alias")
                && let Lit::Str(text) = meta.value()?.parse()?
            {
                alias = Some(text.value());
            }
            Ok(())
        });
        alias
    })
}
