//! A Django site in memory.

use super::test_user::TestUser;
use crate::{
    backend::Backend,
    memory::Tables,
    settings::{DjangoSettings, PasswordHasher},
    site::DjangoSite,
};

/// Starts a site in memory with settings for tests: `write_sessions` is set, password hashing is fast, and
/// every [`column`](TestUser::column) of its users is read.
///
/// ```
/// use actix_django_session::test::{self, TestUser};
///
/// let site = test::site()
///     .user(TestUser::new(7, "ada").password("lovelace").groups(["editors"]))
///     .group("editors", ["shop.add_item", "shop.change_item"])
///     .build();
/// # let _: actix_django_session::DjangoSite = site;
/// ```
pub fn site() -> TestSite {
    let mut settings = DjangoSettings::new("the secret key of a test");
    settings.write_sessions = true;
    settings.password_hashers = Some(vec![PasswordHasher::Pbkdf2Sha256 { iterations: 1 }]);
    TestSite { reads_all_columns: true, ..TestSite::new(settings) }
}

/// A builder for a Django site in memory. [`site`] starts one with settings for tests; [`TestSite::new`]
/// with the settings of your service.
///
/// It differs from a database:
///
/// - `UserModel::condition` is SQL, and hides no users here.
/// - All token classes of the REST framework share one table.
/// - Columns that `DjangoSite::session_columns` fills are not kept.
/// - User ids are integers if all are integers, otherwise UUIDs if all are UUIDs, otherwise text.
#[derive(Clone)]
#[must_use]
pub struct TestSite {
    settings: DjangoSettings,
    tables: Tables,
    reads_all_columns: bool,
}

impl TestSite {
    /// Starts a site with the settings of your service, so that tests see what visitors will see: without
    /// `write_sessions` handlers cannot write, and only the columns of
    /// [`UserModel::columns`](crate::UserModel::columns) are read.
    pub fn new(settings: DjangoSettings) -> Self {
        Self { settings, tables: Tables::default(), reads_all_columns: false }
    }

    /// Sets other settings for the same tables, for a second service on one database. Clones share their
    /// rows.
    pub fn settings(self, settings: DjangoSettings) -> Self {
        Self { settings, reads_all_columns: false, ..self }
    }

    /// Adds a user.
    pub fn user(self, user: TestUser) -> Self {
        self.tables.put_user(user.row());
        self
    }

    /// Adds a group with permissions, `"app_label.codename"`. A group without permissions need not be added.
    pub fn group<I>(self, name: impl Into<String>, permissions: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let permissions = permissions.into_iter().map(Into::into).collect();
        self.tables.put_group(name.into(), permissions);
        self
    }

    /// Adds a token of the REST framework's `TokenAuthentication`, for the user with this id.
    pub fn token(self, key: impl Into<String>, user_id: impl ToString) -> Self {
        self.tables.put_token(key.into(), user_id.to_string());
        self
    }

    /// Builds the site.
    ///
    /// # Panics
    /// If the settings are invalid: [`DjangoSite::new`] would return an error.
    #[must_use]
    pub fn build(self) -> DjangoSite {
        let mut settings = self.settings;
        if self.reads_all_columns {
            settings.user_model.columns = self.tables.columns().into_iter().collect();
        }
        DjangoSite::in_memory(self.tables, settings)
            .unwrap_or_else(|error| panic!("no site: {}", error.chain()))
    }
}

impl std::fmt::Debug for TestSite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestSite").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Adds a user to the tables of a site in memory, and replaces a user with the same id: for changes in the
/// middle of a test.
///
/// ```
/// use actix_django_session::test::{self, TestUser};
///
/// # actix_web::rt::System::new().block_on(async {
/// let site = test::site().user(TestUser::new(7, "ada")).build();
/// assert!(site.user(7).await.is_ok());
/// test::put_user(&site, TestUser::new(7, "ada").inactive());
/// assert!(site.user(7).await.is_err());
/// # });
/// ```
///
/// # Panics
/// If the site is on PostgreSQL.
pub fn put_user(site: &DjangoSite, user: TestUser) {
    let Backend::Memory(memory) = site.database() else {
        panic!("put_user needs a site in memory")
    };
    memory.tables().put_user(user.row());
}
