//! The test bed does what the other tests rely on, and leaves nothing behind.

use std::{
    env,
    io::{BufRead, BufReader},
    net::TcpStream,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::json;
use testbed::{Browser, Django, Postgres, Result, Settings, Site, TestBed, not_tested};
use tokio::time::{sleep, timeout};

#[tokio::test]
async fn a_user_who_logs_in_through_the_form_is_known_to_django() -> Result<()> {
    let settings = Settings::default().user("ada", "lovelace");
    let bed = TestBed::with_settings(Django::V5_2, settings).await?;
    let browser = Browser::new();

    let anonymous = browser.whoami(bed.site().await?).await?;
    assert_eq!(anonymous["is_authenticated"], false);
    assert!(browser.login(bed.site().await?, "ada", "wrong").await.is_err());
    browser.login(bed.site().await?, "ada", "lovelace").await?;
    let known = browser.whoami(bed.site().await?).await?;
    assert_eq!(known["is_authenticated"], true);
    assert_eq!(known["username"], "ada");
    browser.logout(bed.site().await?).await?;
    let anonymous = browser.whoami(bed.site().await?).await?;
    assert_eq!(anonymous["is_authenticated"], false);
    Ok(())
}

#[tokio::test]
async fn gunicorn_serves_the_same_site() -> Result<()> {
    let bed = TestBed::start(Django::V5_2).await?;
    let site = Site::start_gunicorn(Django::V5_2, bed.database_url(), bed.settings(), 2).await?;
    bed.oracle().await?.set_user("ada", "lovelace").await?;
    let browser = Browser::new();

    browser.login(&site, "ada", "lovelace").await?;
    let known = browser.whoami(bed.site().await?).await?;
    assert_eq!(browser.whoami(&site).await?, known);
    assert_eq!(known["username"], "ada");
    Ok(())
}

#[tokio::test]
async fn every_test_bed_has_its_own_database() -> Result<()> {
    let (one, two) = (TestBed::start(Django::V5_2).await?, TestBed::start(Django::V5_2).await?);
    one.oracle().await?.set_user("ada", "lovelace").await?;

    let question = json!({ "cmd": "get_user", "username": "ada" });
    let answer = two.oracle().await?.ask(question).await;
    assert_eq!(
        answer.map_err(|error| error.class().map(str::to_owned)),
        Err(Some("LookupError".into()))
    );
    Ok(())
}

#[tokio::test]
async fn a_server_of_the_tests_can_be_stopped_and_restarted() -> Result<()> {
    let postgres = Postgres::start().await?;
    if !postgres.is_own() {
        not_tested("a server that is killed, of which DATABASE_URL leaves none");
        assert!(postgres.kill9().await.is_err());
        return Ok(());
    }
    let bed = TestBed::on(&postgres, Django::V5_2, Settings::default()).await?;
    let oracle = bed.oracle().await?.clone();
    let user = oracle.set_user("ada", "lovelace").await?;
    let question = json!({ "cmd": "get_user", "username": "ada" });

    postgres.kill9().await?;
    assert_eq!(postgres.pid().await?, None);
    assert!(oracle.ask(question.clone()).await.is_err());
    postgres.restart().await?;
    assert!(postgres.pid().await?.is_some());
    assert_eq!(oracle.ask(question.clone()).await?, user);

    assert!(postgres.terminate_backends().await? > 0);
    assert_eq!(oracle.ask(question.clone()).await?, user);
    // A process that was told to end may still be running.
    assert!(bed.database().terminate_backends().await? >= 1);

    postgres.freeze().await?;
    let mut answer = Box::pin(oracle.ask(question));
    assert!(timeout(Duration::from_millis(300), &mut answer).await.is_err());
    postgres.thaw().await?;
    assert_eq!(answer.await?, user);
    Ok(())
}

const STARTED: &str = "started: ";

/// Not a test: the process that the next test kills.
#[tokio::test]
async fn a_process_that_will_be_killed() -> Result<()> {
    if env::var_os("TESTBED_WAIT_FOR_SIGKILL").is_none() {
        return Ok(());
    }
    let bed = TestBed::start(Django::V5_2).await?;
    let question = json!({ "cmd": "sql", "statement": "SHOW data_directory" });
    let answer = bed.oracle().await?.ask(question).await?;
    let row = &answer["rows"][0][0];
    println!("{STARTED}{}", json!([bed.database_url(), bed.site().await?.url(), row]));
    sleep(Duration::from_secs(60)).await;
    Ok(())
}

#[tokio::test]
async fn a_killed_test_process_leaves_nothing_behind() -> Result<()> {
    let mut child = Command::new(env::current_exe()?)
        .args(["--exact", "a_process_that_will_be_killed", "--nocapture"])
        .env("TESTBED_WAIT_FOR_SIGKILL", "1")
        .env_remove("DATABASE_URL")
        .stdout(Stdio::piped())
        .spawn()?;
    let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
    let started = stdout
        .lines()
        .map_while(std::result::Result::ok)
        .find_map(|line| line.split_once(STARTED).map(|(_, rest)| rest.to_owned()))
        .expect("it says what it started");
    let started: Vec<String> = serde_json::from_str(&started).expect("three texts");
    let [database, site, directory] = started.try_into().expect("three texts");
    let address = |url: &str| {
        let rest = url.rsplit(['@', '/']).find(|part| part.contains(':'));
        rest.expect("a port").to_owned()
    };
    let addresses = [address(&database), address(&site)];
    assert!(addresses.iter().all(|address| TcpStream::connect(address).is_ok()));
    let home = Path::new(&directory).parent().expect("a directory of its own");
    assert!(home.exists());

    child.kill()?;
    child.wait()?;

    let all_gone = async {
        while home.exists() || addresses.iter().any(|address| TcpStream::connect(address).is_ok()) {
            sleep(Duration::from_millis(20)).await;
        }
    };
    let gone = timeout(Duration::from_secs(60), all_gone).await;
    assert!(gone.is_ok(), "{home:?} or {addresses:?} is left");
    Ok(())
}
