//! A database password that changes while the service runs.

use std::{env, fs};

use testbed::{Django, Example, Settings, until};

use crate::beds::{Bed, new_key};

async fn account(example: &Example, key: &str) -> u16 {
    let client = testbed::http_client().build().unwrap();
    let request = client.get(format!("{}/account", example.url()));
    let answer = request.header("Cookie", format!("sessionid={key}")).send().await.unwrap();
    answer.status().as_u16()
}

#[testbed::test]
async fn each_new_connection_uses_the_current_password() {
    let bed = Bed::start(Django::default(), Settings::default()).await;
    let role = format!("leased_{}", bed.bed().database().name());
    bed.sql(&format!("CREATE ROLE {role} LOGIN PASSWORD 'first'")).await;
    bed.sql(&format!("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")).await;
    let (_, address) = bed.url().split_once('@').unwrap();
    let file = env::temp_dir().join(new_key());
    fs::write(&file, "first\n").unwrap();
    let url = format!("postgres://{role}@{address}");
    let example =
        Example::run("password_file", &url, &[("PASSWORD_FILE", file.to_str().unwrap())]).unwrap();
    let ada = bed.login("ada").await;
    assert_eq!(account(&example, &ada).await, 200);

    let end_connections = format!(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = '{role}'"
    );
    for (password, in_file, status) in
        [("second", "second", 200), ("third", "second", 503), ("third", "third\n", 200)]
    {
        bed.sql(&format!("ALTER ROLE {role} PASSWORD '{password}'")).await;
        fs::write(&file, in_file).unwrap();
        bed.sql(&end_connections).await;
        until(&format!("it is a {status} with {password} and {in_file}"), async || {
            account(&example, &ada).await == status
        })
        .await;
    }
    fs::remove_file(&file).unwrap();
    drop(example);
    bed.sql(&format!("DROP OWNED BY {role}")).await;
    bed.sql(&format!("DROP ROLE {role}")).await;
}
