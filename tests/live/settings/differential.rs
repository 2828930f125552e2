//! The random test of the full check on many sites: exported settings let in the same users as the
//! site.

use testbed::{Django, Postgres, Settings, Site, With};

use super::sites::{DjangoSite, install_packages};
use crate::{
    beds::{Bed, Rng, seed},
    login_required::differential::{Tally, World, compare},
    probe::probe,
};

const PEOPLE: usize = 10;
const SESSIONS: usize = 60;

#[testbed::test]
async fn exported_settings_let_in_the_same_users_as_their_site() {
    let mut rng = Rng(seed());
    let empty = Postgres::shared().await.unwrap().create_database().await.unwrap();
    let versions = Django::available().unwrap();
    // The total is the same for any number of Django versions.
    let counts = (PEOPLE / versions.len(), SESSIONS / versions.len());
    let mut tally = Tally::default();
    for django in versions {
        install_packages(django).await;
        for site in &DjangoSite::all() {
            println!("{django}, {}", site.name);
            if !site.is_enough {
                let exported = Site::export_settings(django, empty.url(), &site.settings).await;
                site.read(django, &exported.unwrap());
                continue;
            }
            let mut bed = Bed::without_users(django, &site.settings).await;
            if let Some(schema) = site.schema {
                bed.move_to_schema(schema).await;
            }
            compare_site(&bed, site, counts, &mut rng, &mut tally).await;
        }
    }
    println!("{tally:?}");
    assert!(tally.cases >= 8 * SESSIONS, "{tally:?}");
    assert!(tally.users > 100 && tally.with_permissions > 40, "{tally:?}");
    assert!(tally.anonymous > 80 && tally.wrong_hash > 10, "{tally:?}");
}

async fn compare_site(
    bed: &Bed,
    site: &DjangoSite,
    counts: (usize, usize),
    rng: &mut Rng,
    tally: &mut Tally,
) {
    let exported = bed.export().await;
    let found = site.read(bed.django, &exported);
    let paths = found["AUTHENTICATION_BACKENDS"].as_array().unwrap().iter();
    let secrets = [&[Settings::SECRET_KEY], site.fallbacks].concat();
    let world = World::new(
        secrets.iter().map(|secret| secret.as_bytes().to_vec()).collect(),
        paths.map(|each| each["path"].as_str().unwrap().to_owned()).collect(),
    );
    // The host of these requests is an address that no site allows.
    let site =
        bed.site_with(world.of_crate(&exported).with(|s| s.allowed_hosts = vec!["*".into()]));
    site.check().await.unwrap();
    let app = probe(site).with_cookie_name(found["SESSION_COOKIE_NAME"].as_str().unwrap());
    compare(bed, &world, &app, counts, rng, tally).await;
}
