//! A Chromium of its own, driven through its driver.

use std::{path::PathBuf, process::Stdio, time::Duration};

use fantoccini::{
    Client, ClientBuilder, Locator,
    elements::Element,
    wd::{Capabilities, WebDriverCompatibleCommand},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    time::timeout,
};

use super::served::Served;

pub(crate) const TAB: &str = "\u{e004}";

/// How long a page may take to come to what is waited for. A browser on a busy machine is slow.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Browser {
    client: Client,
    /// Ended with this.
    _driver: Child,
    _profile: TempDir,
}

/// A command that is Chromium's own.
#[derive(Debug)]
struct Own(&'static str, Value);

impl WebDriverCompatibleCommand for Own {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.0))
    }

    fn method_and_body(&self, _: &url::Url) -> (axum::http::Method, Option<String>) {
        (axum::http::Method::POST, Some(self.1.to_string()))
    }
}

fn installed(names: &[&str]) -> Option<PathBuf> {
    names.iter().find_map(|name| which::which(name).ok())
}

impl Browser {
    /// `None`, which is said, if there is none on this machine.
    pub(crate) async fn open() -> Option<Self> {
        let browser = installed(&["chromium", "chromium-browser", "google-chrome", "chrome"]);
        let driver = installed(&["chromedriver", "chromium.chromedriver"]);
        let (Some(browser), Some(driver)) = (browser, driver) else {
            eprintln!("skipped: there is no Chromium with its driver here; `cargo xtask setup` installs them");
            return None;
        };
        let (driver, port) = start(driver).await;
        let profile = tempfile::tempdir().expect("a folder for the profile");
        let capabilities = capabilities(&browser.to_string_lossy(), &profile.path().to_string_lossy());
        let mut builder = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new());
        let address = format!("http://127.0.0.1:{port}");
        let client = builder.capabilities(capabilities).connect(&address);
        Some(Self {
            client: client.await.expect("a session"),
            _driver: driver,
            _profile: profile,
        })
    }

    /// Ends the browser, which would outlive its driver.
    pub(crate) async fn close(self) {
        self.client.close().await.expect("it ends");
    }

    pub(crate) async fn goto(&self, url: &str) {
        self.client.goto(url).await.expect("a page");
    }

    pub(crate) async fn title(&self) -> String {
        self.client.title().await.expect("a title")
    }

    pub(crate) async fn size(&self, width: u32, height: u32) {
        // The window has a least width; the page has not.
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.chromium("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    /// `light` or `dark`.
    pub(crate) async fn prefer(&self, scheme: &str) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.chromium("Emulation.setEmulatedMedia", features).await;
    }

    pub(crate) async fn disable_scripts(&self) {
        self.chromium("Emulation.setScriptExecutionDisabled", json!({ "value": true }))
            .await;
    }

    pub(crate) async fn picture(&self) -> Vec<u8> {
        self.client.screenshot().await.expect("a picture")
    }

    async fn find(&self, css: &str) -> Element {
        let found = self
            .client
            .wait()
            .at_most(PATIENCE)
            .for_element(Locator::Css(css))
            .await;
        found.unwrap_or_else(|error| panic!("{css}: {error}"))
    }

    pub(crate) async fn count(&self, css: &str) -> usize {
        self.client.find_all(Locator::Css(css)).await.expect("an answer").len()
    }

    /// What is seen of an element.
    pub(crate) async fn text(&self, css: &str) -> String {
        let text = self.find(css).await.text().await;
        text.expect("its text").trim().to_owned()
    }

    /// Waits until an element is there that has this text, and no other.
    pub(crate) async fn until_text(&self, css: &str, expected: &str) {
        let mut last = String::new();
        let there = async {
            loop {
                // It may be replaced between the one question and the other.
                if let Ok(element) = self.client.find(Locator::Css(css)).await
                    && let Ok(text) = element.text().await
                {
                    text.trim().clone_into(&mut last);
                    if last == expected {
                        return;
                    }
                }
                tokio::task::yield_now().await;
            }
        };
        let there = timeout(PATIENCE, there).await;
        assert!(there.is_ok(), "{css} is {last:?} and not {expected:?}");
    }

    pub(crate) async fn links(&self, css: &str) -> Vec<String> {
        let script = "return [...document.querySelectorAll(arguments[0])].map(link => link.href)";
        let links = self.client.execute(script, vec![json!(css)]).await.expect("an answer");
        serde_json::from_value(links).expect("addresses")
    }

    pub(crate) async fn click(&self, css: &str) {
        self.find(css).await.click().await.expect("a click");
    }

    pub(crate) async fn click_link(&self, text: &str) {
        let link = self
            .client
            .wait()
            .at_most(PATIENCE)
            .for_element(Locator::LinkText(text))
            .await;
        link.expect("a link").click().await.expect("a click");
    }

    pub(crate) async fn click_link_with(&self, text: &str) {
        let path = format!("//a[contains(., '{text}')]");
        let link = self
            .client
            .wait()
            .at_most(PATIENCE)
            .for_element(Locator::XPath(&path))
            .await;
        link.expect("a link").click().await.expect("a click");
    }

    pub(crate) async fn write(&self, css: &str, text: &str) {
        self.find(css).await.send_keys(text).await.expect("keys are taken");
    }

    /// Presses keys, wherever the focus is.
    pub(crate) async fn press(&self, keys: &str) {
        let focused = self.client.active_element().await.expect("something has the focus");
        focused.send_keys(keys).await.expect("keys are taken");
    }

    /// The id or the text of what has the focus.
    pub(crate) async fn focused(&self) -> String {
        let script = "const focused = document.activeElement; return focused.id || focused.textContent";
        let focused = self.client.execute(script, vec![]).await.expect("an answer");
        focused.as_str().unwrap_or_default().to_owned()
    }

    /// Moves the focus on until it is on what has this id or text; and what has it can be seen to.
    pub(crate) async fn tab_to(&self, name: &str) {
        for _ in 0..80 {
            self.press(TAB).await;
            if self.focused().await == name {
                let script = "return getComputedStyle(document.activeElement).outlineStyle";
                let outline = self.client.execute(script, vec![]).await.expect("an answer");
                assert_ne!(outline, json!("none"), "the focus on {name} is not seen");
                return;
            }
        }
        panic!("no key leads to {name}");
    }

    /// No error was logged, and nothing was asked of anybody else.
    pub(crate) async fn assert_clean(&self, served: &Served) {
        for entry in self.log("browser").await {
            assert_ne!(entry["level"], json!("SEVERE"), "{entry}");
        }
        let mut requests = 0;
        for entry in self.log("performance").await {
            let message: Value = serde_json::from_str(entry["message"].as_str().expect("text")).expect("an event");
            if message["message"]["method"] != json!("Network.requestWillBeSent") {
                continue;
            }
            let request = &message["message"]["params"];
            let page = request["documentURL"].as_str().expect("an address");
            // The page that a browser opens with is its own.
            if !page.starts_with("chrome") {
                let url = request["request"]["url"].as_str().expect("an address");
                assert!(url.starts_with(served.origin()), "{url}");
                requests += 1;
            }
        }
        assert!(requests > 0, "requests are not recorded");
    }

    async fn log(&self, kind: &str) -> Vec<Value> {
        let entries = self.client.issue_cmd(Own("se/log", json!({ "type": kind }))).await;
        entries.expect("a log").as_array().cloned().unwrap_or_default()
    }

    async fn chromium(&self, command: &str, parameters: Value) -> Value {
        let body = json!({ "cmd": command, "params": parameters });
        let done = self.client.issue_cmd(Own("goog/cdp/execute", body)).await;
        done.unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    /// Whatever can be worked has a name, pictures have a text, there is one `main`, and headings leave no level out.
    pub(crate) async fn assert_accessible(&self, page: &str) {
        let tree = self.chromium("Accessibility.getFullAXTree", json!({})).await;
        let nodes = tree["nodes"].as_array().expect("nodes");
        let nodes = || nodes.iter().filter(|node| node["ignored"] != json!(true));
        let role = |node: &Value| node["role"]["value"].as_str().unwrap_or_default().to_owned();
        let name = |node: &Value| node["name"]["value"].as_str().unwrap_or_default().trim().to_owned();
        let named = [
            "button",
            "link",
            "textbox",
            "combobox",
            "checkbox",
            "image",
            "img",
            "region",
            "navigation",
            "table",
            "heading",
            "columnheader",
            "rowheader",
            "search",
        ];
        for node in nodes().filter(|node| named.contains(&&*role(node)) && role(node) != "search") {
            assert!(
                !name(node).is_empty(),
                "{page}: a {} without a name: {node}",
                role(node)
            );
        }
        for landmark in ["main", "banner", "navigation"] {
            let count = nodes().filter(|node| role(node) == landmark).count();
            assert_eq!(count, 1, "{page}: {landmark}");
        }
        let level = |node: &Value| {
            let properties = node["properties"].as_array().cloned().unwrap_or_default();
            let level = properties.iter().find(|property| property["name"] == json!("level"));
            level
                .and_then(|level| level["value"]["value"].as_u64())
                .unwrap_or_default()
        };
        let levels: Vec<u64> = nodes().filter(|node| role(node) == "heading").map(level).collect();
        assert_eq!(
            levels.iter().filter(|level| **level == 1).count(),
            1,
            "{page}: {levels:?}"
        );
        let mut before = 0;
        for level in levels {
            assert!(level <= before + 1, "{page}: a heading {level} after one {before}");
            before = level;
        }
    }

    /// Every text differs from its ground as much as WCAG wants it to: 4.5, or 3 if it is large.
    pub(crate) async fn assert_readable(&self, page: &str) {
        let faint = self
            .client
            .execute(include_str!("contrast.js"), vec![])
            .await
            .expect("an answer");
        assert_eq!(faint, json!([]), "{page}");
    }

    /// In a narrow window nothing is beyond its edge but what can be moved into it.
    pub(crate) async fn assert_narrow(&self, page: &str) {
        let script = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
        let beyond = self.client.execute(script, vec![]).await.expect("an answer");
        assert_eq!(beyond, json!(0), "{page}");
    }
}

/// The driver, on a port that it chooses and says.
async fn start(driver: PathBuf) -> (Child, u16) {
    let mut driver = Command::new(driver)
        .arg("--port=0")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("the driver starts");
    let mut lines = BufReader::new(driver.stdout.take().expect("its output")).lines();
    let port = timeout(PATIENCE, async {
        while let Some(line) = lines.next_line().await.expect("a line") {
            let port = line
                .rsplit_once("on port ")
                .and_then(|(_, port)| port.trim_end_matches('.').parse().ok());
            if line.contains("started successfully")
                && let Some(port) = port
            {
                return port;
            }
        }
        panic!("the driver ended");
    });
    let port = port.await.expect("the driver says its port");
    (driver, port)
}

fn capabilities(browser: &str, profile: &str) -> Capabilities {
    let mut flags = vec![
        "--headless".to_owned(),
        "--disable-gpu".to_owned(),
        "--disable-quic".to_owned(),
        "--disable-dev-shm-usage".to_owned(),
        "--no-first-run".to_owned(),
        "--disable-background-networking".to_owned(),
        "--disable-component-update".to_owned(),
        "--disable-sync".to_owned(),
        "--hide-scrollbars".to_owned(),
        "--window-size=1280,900".to_owned(),
        format!("--user-data-dir={profile}"),
    ];
    // Chromium does not start its sandbox for root.
    if std::fs::metadata("/proc/self").is_ok_and(|process| std::os::unix::fs::MetadataExt::uid(&process) == 0) {
        flags.push("--no-sandbox".to_owned());
    }
    let capabilities = json!({
        "browserName": "chrome",
        "goog:chromeOptions": { "binary": browser, "args": flags },
        "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
    });
    serde_json::from_value(capabilities).expect("a map")
}
