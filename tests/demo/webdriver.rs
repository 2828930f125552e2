//! Chromium without a screen, driven over the WebDriver protocol by Debian's `chromium-driver`.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use reqwest::Client;
use serde_json::{Value, json};

/// The member in which the protocol returns the id of an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A window of a real browser.
pub(crate) struct Chromium {
    driver: Child,
    folder: PathBuf,
    client: Client,
    session: String,
}

impl Chromium {
    pub(crate) async fn start() -> Self {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .spawn()
            .expect("chromedriver starts (Debian: apt install chromium chromium-driver)");
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = loop {
            let line = lines.next().expect("chromedriver has ended").unwrap();
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                break port.trim_end_matches('.').to_owned();
            }
        };
        // Its further output must not fill the pipe.
        thread::spawn(move || lines.for_each(drop));

        let folder = env::temp_dir().join(format!("chromium-{}", driver.id()));
        fs::create_dir_all(&folder).unwrap();
        let profile = format!("--user-data-dir={}", folder.display());
        let options = json!({
            "args": ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", profile],
        });
        let client = testbed::http_client().build().unwrap();
        let mut this =
            Self { driver, folder, client, session: format!("http://127.0.0.1:{port}/session") };
        let capabilities = json!({ "alwaysMatch": { "goog:chromeOptions": options } });
        let question = json!({ "capabilities": capabilities });
        let mut answer = this.ask("", &question).await;
        if !answer["error"].is_null() {
            // On a busy machine the browser may start later than chromedriver waits.
            answer = this.ask("", &question).await;
        }
        let answer = Self::checked(answer);
        this.session = format!("{}/{}", this.session, answer["sessionId"].as_str().unwrap());
        this
    }

    /// Opens a page and waits until it is loaded.
    pub(crate) async fn open(&self, url: &str) {
        self.post("/url", json!({ "url": url })).await;
    }

    pub(crate) async fn url(&self) -> String {
        self.get("/url").await.as_str().unwrap().to_owned()
    }

    /// Waits until the browser is on a page with this path.
    pub(crate) async fn arrive(&self, path: &str) {
        for _ in 0..600 {
            let url = self.url().await;
            if url.split('?').next().is_some_and(|url| url.ends_with(path)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the browser is on {} and not on {path}: {}", self.url().await, self.text().await);
    }

    /// The visible text of the page.
    pub(crate) async fn text(&self) -> String {
        let element = self.find("body").await;
        self.get(&format!("/element/{element}/text")).await.as_str().unwrap().to_owned()
    }

    pub(crate) async fn attribute(&self, selector: &str, name: &str) -> String {
        let element = self.find(selector).await;
        let value = self.get(&format!("/element/{element}/attribute/{name}")).await;
        value.as_str().unwrap().to_owned()
    }

    pub(crate) async fn type_into(&self, selector: &str, text: &str) {
        let element = self.find(selector).await;
        self.post(&format!("/element/{element}/value"), json!({ "text": text })).await;
    }

    /// Clicks an element that leads to another page, and waits for that page.
    pub(crate) async fn follow(&self, selector: &str) {
        let element = self.find(selector).await;
        self.run("document.isOld = true").await;
        self.post(&format!("/element/{element}/click"), json!({})).await;
        for _ in 0..600 {
            let is_new = "return !document.isOld && document.readyState === 'complete'";
            // While the browser changes pages, there is no page to ask.
            if self.run(is_new).await == true {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("nothing came of a click on {selector}: {}", self.text().await);
    }

    /// Clicks an element that stays on the page.
    pub(crate) async fn click(&self, selector: &str) {
        let element = self.find(selector).await;
        self.post(&format!("/element/{element}/click"), json!({})).await;
    }

    /// Waits until the page shows this text.
    pub(crate) async fn read(&self, text: &str) {
        for _ in 0..600 {
            if self.text().await.contains(text) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{text:?} does not come: {}", self.text().await);
    }

    /// Presses a key for the element with the focus.
    pub(crate) async fn press(&self, key: &str) {
        let actions =
            json!([{ "type": "keyDown", "value": key }, { "type": "keyUp", "value": key }]);
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": actions });
        self.post("/actions", json!({ "actions": [keyboard] })).await;
    }

    /// Sets the width of the window, and the color scheme.
    pub(crate) async fn show_as(&self, width: u32, color_scheme: &str) {
        let size =
            json!({ "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false });
        let media = json!([{ "name": "prefers-color-scheme", "value": color_scheme }]);
        for (command, parameters) in [
            ("Emulation.setDeviceMetricsOverride", size),
            ("Emulation.setEmulatedMedia", json!({ "features": media })),
        ] {
            let command = json!({ "cmd": command, "params": parameters });
            self.post("/goog/cdp/execute", command).await;
        }
    }

    /// Runs a script and returns its result.
    pub(crate) async fn tell(&self, script: &str) -> Value {
        Self::checked(self.run(script).await)
    }

    /// Runs a script and returns its result, or an object with the error.
    async fn run(&self, script: &str) -> Value {
        self.ask("/execute/sync", &json!({ "script": script, "args": [] })).await
    }

    async fn find(&self, selector: &str) -> String {
        let by = json!({ "using": "css selector", "value": selector });
        self.post("/element", by).await[ELEMENT].as_str().unwrap().to_owned()
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.client.get(format!("{}{path}", self.session)).send().await.unwrap();
        Self::checked(Self::value(&answer.text().await.unwrap()))
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        Self::checked(self.ask(path, &body).await)
    }

    /// Sends a command and returns the answer of the driver, or an object with the error.
    async fn ask(&self, path: &str, body: &Value) -> Value {
        let request = self.client.post(format!("{}{path}", self.session)).body(body.to_string());
        let answer = request.header("content-type", "application/json").send().await.unwrap();
        Self::value(&answer.text().await.unwrap())
    }

    fn value(answer: &str) -> Value {
        serde_json::from_str::<Value>(answer).unwrap()["value"].take()
    }

    fn checked(value: Value) -> Value {
        assert!(value.get("error").is_none_or(Value::is_null), "{value}");
        value
    }

    /// Closes the browser.
    pub(crate) async fn quit(self) {
        self.client.delete(&self.session).send().await.unwrap();
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        drop(self.driver.kill());
        drop(self.driver.wait());
        drop(fs::remove_dir_all(&self.folder));
    }
}
