//! A real Chromium, headless, driven through chromedriver.

use super::PATIENCE;
use super::http::Site;
use super::process::{Process, tool};
use super::wait::wait_until;
use fantoccini::elements::Element;
use fantoccini::error::CmdError;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;
use tokio::runtime::{self, Runtime};

/// The key that sends a message.
pub const ENTER: &str = "\u{e007}";
/// Held down for the keys that follow it.
pub const SHIFT: &str = "\u{e008}";
/// Held down for the keys that follow it.
pub const CONTROL: &str = "\u{e009}";
pub const ESCAPE: &str = "\u{e00c}";
pub const UP: &str = "\u{e013}";
pub const DOWN: &str = "\u{e015}";
pub const TAB: &str = "\u{e004}";

/// One person's browser, with one page and a profile of its own. It ends with its test.
pub struct Browser {
    runtime: Runtime,
    client: Client,
    session: String,
    driver: Driver,
    _profile: TempDir,
}

/// chromedriver, whose process group Chromium is in too.
struct Driver {
    addr: SocketAddr,
    _process: Process,
}

impl Browser {
    /// Starts one, which takes about a second.
    pub fn start() -> Browser {
        tool("chromium");
        let driver = Driver::start();
        let profile = TempDir::with_prefix("chromium-").expect("a temporary directory");
        let Value::Object(capabilities) = capabilities(profile.path()) else {
            unreachable!("capabilities are an object")
        };
        let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (client, session) = runtime.block_on(async {
            let client = ClientBuilder::new(HttpConnector::new())
                .capabilities(capabilities)
                .connect(&format!("http://{}", driver.addr))
                .await
                .unwrap_or_else(|error| panic!("chromium does not start: {error}"));
            let session = client.session_id().await.expect("the session has begun");
            (client, session.expect("a session has an id"))
        });
        Browser { runtime, client, session, driver, _profile: profile }
    }

    /// Opens a page, and waits until it is loaded.
    pub fn goto(&self, url: &str) {
        self.run(&format!("open {url}"), self.client.goto(url));
    }

    /// Loads the page again.
    pub fn reload(&self) {
        self.run("reload", self.client.refresh());
    }

    /// The page's address.
    pub fn url(&self) -> String {
        self.run("ask for the address", self.client.current_url()).to_string()
    }

    /// What a person sees of the first element that matches.
    pub fn text(&self, css: &str) -> String {
        self.run(&format!("read {css}"), self.find(css).text())
    }

    /// What a person sees of each element that matches.
    pub fn texts(&self, css: &str) -> Vec<String> {
        let elements = self.run(&format!("find {css}"), self.client.find_all(Locator::Css(css)));
        let text = |element: Element| self.run(&format!("read {css}"), element.text());
        elements.into_iter().map(text).collect()
    }

    /// Clicks on the first element that matches.
    pub fn click(&self, css: &str) {
        self.run(&format!("click on {css}"), self.find(css).click());
    }

    /// Types into the first element that matches, after what it holds; [`ENTER`] is a key too.
    pub fn type_into(&self, css: &str, keys: &str) {
        self.run(&format!("type into {css}"), self.find(css).send_keys(keys));
    }

    /// Types into the first element that matches, instead of what it holds.
    pub fn fill(&self, css: &str, keys: &str) {
        self.run(&format!("clear {css}"), self.find(css).clear());
        self.type_into(css, keys);
    }

    /// Runs a script in the page; its `return` is the result.
    pub fn js(&self, script: &str) -> Value {
        self.run(&format!("run {script}"), self.client.execute(script, Vec::new()))
    }

    /// Waits, in the page, until the document makes this expression true; returns its value. Looks again at each change
    /// of the document, so what it is about must be visible there.
    pub fn wait_for(&self, expression: &str) -> Value {
        let script = WAIT.replace("EXPRESSION", expression);
        let deadline = json!(u64::try_from(PATIENCE.as_millis()).expect("milliseconds"));
        let result = self.run(&format!("wait for {expression}"), self.client.execute_async(&script, vec![deadline]));
        if let Some(why) = result.get("inVain") {
            panic!("waited in vain for {expression}: {why}\n{}", self.what_it_shows());
        }
        result["value"].clone()
    }

    /// Waits until an element that matches shows this text, as a part of it.
    pub fn wait_for_text(&self, css: &str, text: &str) {
        self.wait_for(&format!(
            "[...document.querySelectorAll({})].some(e => e.textContent.includes({}))",
            json!(css),
            json!(text)
        ));
    }

    /// Errors and warnings of the console since the last call: exceptions, refused scripts and styles, failed requests.
    pub fn console(&self) -> Vec<String> {
        let entries = self.chromium("se/log", &json!({"type": "browser"}));
        let entries = entries.as_array().unwrap_or_else(|| panic!("no log: {entries}"));
        entries.iter().map(|entry| format!("{}: {}", entry["level"], entry["message"])).collect()
    }

    /// Writes what the page shows as a PNG.
    pub fn screenshot(&self, file: &Path) {
        let png = self.run("take a screenshot", self.client.screenshot());
        std::fs::write(file, png).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }

    /// Gives the page this much room. A window has a least width, and a frame that counts; a page has neither.
    pub fn resize(&self, width: u32, height: u32) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.cdp("Emulation.setDeviceMetricsOverride", &size);
    }

    /// A command of Chromium's own (the DevTools protocol), for what the standard has none.
    pub fn cdp(&self, command: &str, params: &Value) -> Value {
        self.chromium("goog/cdp/execute", &json!({"cmd": command, "params": params}))
    }

    /// Has this script run in every page before anything of its own.
    pub fn before_each_page(&self, script: &str) {
        self.cdp("Page.addScriptToEvaluateOnNewDocument", &json!({"source": script}));
    }

    /// Opens another tab, and turns to it.
    pub fn new_tab(&self) {
        let tab = self.run("open a tab", self.client.new_window(true));
        self.run("turn to the tab", self.client.switch_to_window(tab.handle));
    }

    /// Turns to the tab of this number, counted as they were opened.
    pub fn turn_to_tab(&self, number: usize) {
        let tabs = self.run("list the tabs", self.client.windows());
        self.run("turn to the tab", self.client.switch_to_window(tabs[number].clone()));
    }

    /// Closes the tab, and turns to the first one.
    pub fn close_tab(&self) {
        self.run("close the tab", self.client.close_window());
        self.turn_to_tab(0);
    }

    /// Presses Tab, wherever the focus is.
    pub fn press_tab(&self) {
        for kind in ["rawKeyDown", "keyUp"] {
            let key = json!({"type": kind, "key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9});
            self.cdp("Input.dispatchKeyEvent", &key);
        }
    }

    /// Goes back, as the button does.
    pub fn back(&self) {
        self.run("go back", self.client.back());
    }

    /// Waits until the page's address ends so.
    pub fn wait_for_address(&self, end: &str) {
        wait_until(&format!("the address ends in {end}"), PATIENCE, || self.url().ends_with(end));
    }

    /// How much memory its scripts hold on to, in bytes.
    pub fn js_heap(&self) -> u64 {
        self.cdp("HeapProfiler.collectGarbage", &json!({}));
        self.cdp("Runtime.getHeapUsage", &json!({}))["usedSize"].as_f64().expect("a size") as u64
    }

    /// What chromedriver does beyond the standard.
    fn chromium(&self, what: &str, body: &Value) -> Value {
        let path = format!("/session/{}/{what}", self.session);
        let reply = Site::new(self.driver.addr, "").post(&path, "application/json", body.to_string().as_bytes());
        assert_eq!(reply.status, 200, "{what}: {reply:?}");
        reply.json()["value"].take()
    }

    fn find(&self, css: &str) -> Element {
        self.run(&format!("find {css}"), self.client.find(Locator::Css(css)))
    }

    fn run<T>(&self, what: &str, command: impl Future<Output = Result<T, CmdError>>) -> T {
        self.runtime
            .block_on(command)
            .unwrap_or_else(|error| panic!("cannot {what}: {error}\n{}", self.what_it_shows()))
    }

    /// For a failed test. Errors are passed over: the browser may be what failed.
    fn what_it_shows(&self) -> String {
        let script = "return location.href + '\\n' + document.documentElement.outerHTML";
        match self.runtime.block_on(self.client.execute(script, Vec::new())) {
            Ok(page) => page.as_str().unwrap_or_default().to_owned(),
            Err(error) => format!("(and the page cannot be shown: {error})"),
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The orderly way, so that Chromium removes what it made; the driver's drop ends what is left.
        let close = self.client.clone().close();
        let _ = self.runtime.block_on(async { tokio::time::timeout(Duration::from_secs(5), close).await });
    }
}

impl Driver {
    fn start() -> Driver {
        let mut process = Process::spawn(tool("chromedriver").arg("--port=0"));
        loop {
            let Some(line) = process.stdout_line() else {
                panic!("chromedriver does not start: {}", process.stderr());
            };
            let port = line
                .strip_prefix("ChromeDriver was started successfully on port ")
                .and_then(|rest| rest.strip_suffix('.'));
            if let Some(port) = port {
                let port: u16 = port.parse().expect("a port is a number");
                return Driver { addr: SocketAddr::from(([127, 0, 0, 1], port)), _process: process };
            }
        }
    }
}

fn capabilities(profile: &Path) -> Value {
    json!({
        "browserName": "chrome",
        // Our own deadline comes first, and says more.
        "timeouts": {"script": 2 * PATIENCE.as_millis() as u64},
        "goog:loggingPrefs": {"browser": "ALL"},
        "goog:chromeOptions": {"args": [
            "--headless",
            "--no-sandbox", // Chromium's sandbox refuses root.
            "--disable-gpu",
            "--disable-dev-shm-usage", // In a container /dev/shm is small.
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            "--force-prefers-reduced-motion", // What is shown is there at once.
            "--window-size=1200,800",
            format!("--user-data-dir={}", profile.display()),
        ]},
    })
}

/// A page that is not complete yet lacks elements: what the expression throws counts as false.
const WAIT: &str = "
const [deadline, done] = arguments;
let why = 'it is false';
const look = () => {
  let value;
  try { value = (EXPRESSION); why = 'it is false'; } catch (error) { why = String(error); }
  if (value) finish({ value });
};
const observer = new MutationObserver(look);
const timer = setTimeout(() => finish({ inVain: why }), deadline);
const finish = result => { observer.disconnect(); clearTimeout(timer); done(result); };
observer.observe(document, { subtree: true, childList: true, characterData: true, attributes: true });
look();
";
