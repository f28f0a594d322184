//! What an operator sets, read and checked once. The same names everywhere: a flag `--ping`, a
//! variable `CHATROOM_PING`, and, where it makes sense for one location, a FastCGI or CGI parameter
//! `CHATROOM_PING`.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::limits;
use crate::live::admission::Bounds;
use crate::live::stream::Pace;
use crate::live::webhook::Reach;
use crate::store::watch::WatchMode;

/// Where rooms are, where nobody says: in the folder that the command is run in.
pub const DEFAULT_ROOT: &str = "./chatrooms";

/// Where the rooms of a site are, in the folder of sites.
const SITE_DATA: &str = ".sitedata";

/// The site of a request that names none.
const DEFAULT_SITE: &str = "default";

/// How a process serves rooms.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The data root, where somebody says.
    pub root: Option<PathBuf>,
    /// The folder of sites, each of which has a data root of its own.
    pub sites: Option<PathBuf>,
    /// The site whose data root it is.
    pub site: Option<String>,
    /// Where `sites` is, where nobody says.
    pub home: Option<PathBuf>,
    /// The data root where nobody says anything; a CGI process has none.
    pub fallback: Option<PathBuf>,
    /// After how long a silence a stream says `ping`.
    pub ping: Duration,
    /// How long a stream lives at most.
    pub lifetime: Duration,
    /// How long a long-poll waits for something to tell.
    pub long_poll: Duration,
    /// Whether what streams say is padded.
    pub padding: Padding,
    /// How changes are noticed.
    pub watch: WatchMode,
    /// How many streams at most.
    pub bounds: Bounds,
    /// How long after its last stream a web avatar leaves.
    pub grace: Duration,
    /// When a posted message is acknowledged.
    pub ack: Ack,
    /// Where webhooks may be.
    pub webhooks: Reach,
}

/// When events are followed by padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Padding {
    /// Under CGI, unless the web server says that it flushes (`NO_BUFFERING`).
    #[default]
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

/// When a posted message is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Ack {
    /// Once it is in the log: it outlives a crash of any program.
    #[default]
    Written,
    /// Once it is on disk: it outlives a power cut.
    Synced,
}

/// Why a setting makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}={value:?}: {expected}")]
pub struct ConfigError {
    name: &'static str,
    value: String,
    expected: &'static str,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            root: None,
            sites: None,
            site: None,
            home: None,
            fallback: None,
            ping: limits::PING_DEFAULT,
            lifetime: limits::LIFETIME_DEFAULT,
            long_poll: limits::LONG_POLL_DEFAULT,
            padding: Padding::Auto,
            watch: WatchMode::Auto,
            bounds: Bounds::default(),
            grace: limits::GRACE_DEFAULT,
            ack: Ack::Written,
            webhooks: Reach::Public,
        }
    }
}

impl Config {
    /// This, but for what `lookup` finds under the names of the settings. An empty value is none.
    pub fn overridden(&self, lookup: impl Fn(&str) -> Option<String>) -> Result<Config, ConfigError> {
        let mut config = self.clone();
        let lookup = |name: &'static str| lookup(name).filter(|value| !value.is_empty()).map(|value| (name, value));
        if let Some((_, root)) = lookup("CHATROOM_ROOT") {
            config.root = Some(PathBuf::from(root));
        }
        if let Some((_, sites)) = lookup("WIZARDRY_SITES_DIR") {
            config.sites = Some(PathBuf::from(sites));
        }
        if let Some((name, value)) = lookup("WIZARDRY_SITE_NAME") {
            config.site = Some(checked(name, value, site_name, SITE_NAME)?);
        }
        if let Some((name, value)) = lookup("CHATROOM_PING") {
            config.ping = checked(name, value, seconds, SECONDS)?;
        }
        if let Some((name, value)) = lookup("CHATROOM_LIFETIME") {
            config.lifetime = checked(name, value, seconds, SECONDS)?;
        }
        if let Some((name, value)) = lookup("CHATROOM_LONG_POLL") {
            config.long_poll = checked(name, value, seconds, SECONDS)?;
        }
        if let Some((name, value)) = lookup("CHATROOM_PADDING") {
            config.padding = checked(name, value, choice, "expected auto, on or off")?;
        }
        if let Some((name, value)) = lookup("CHATROOM_WATCH") {
            config.watch = checked(name, value, choice, "expected auto, dnotify or poll")?;
        }
        if let Some((name, value)) = lookup("CHATROOM_ACK") {
            config.ack = checked(name, value, choice, "expected written or synced")?;
        }
        Ok(config)
    }

    /// The timing and padding of streams; `unflushed` says whether something on the way to the
    /// client keeps back what it gets.
    pub fn pace(&self, unflushed: bool) -> Pace {
        let padding = match self.padding {
            Padding::Auto => unflushed,
            Padding::On => true,
            Padding::Off => false,
        };
        Pace { ping: self.ping, lifetime: self.lifetime, long_poll: self.long_poll, padding }
    }

    /// The data root. Without a setting that says where it is, `None`, but for one who asks `by_shell_name`: as the
    /// shell programs do it, it is that of the default site in the home directory then.
    pub fn data_root(&self, by_shell_name: bool) -> Option<Cow<'_, Path>> {
        if let Some(root) = &self.root {
            return Some(Cow::Borrowed(root));
        }
        let has_sites = self.sites.is_some() || self.site.is_some();
        match &self.fallback {
            Some(fallback) if !has_sites => Some(Cow::Borrowed(fallback)),
            _ if has_sites || by_shell_name => {
                let sites = self.sites.clone().or_else(|| Some(self.home.as_ref()?.join("sites")))?;
                let site = self.site.as_deref().unwrap_or(DEFAULT_SITE);
                Some(Cow::Owned(sites.join(SITE_DATA).join(site).join("chatrooms")))
            }
            _ => None,
        }
    }
}

const SITE_NAME: &str = "expected letters, digits, `.`, `_` and `-`, and neither `.` nor `..`";

fn site_name(name: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let is_name = name.bytes().all(allowed) && !matches!(name, "" | "." | "..");
    is_name.then(|| name.to_owned()).ok_or_else(|| SITE_NAME.to_owned())
}

const SECONDS: &str = "expected a number of seconds above 0, such as 30 or 0.5";

/// Reads a number of seconds, at least a thousandth and at most a year.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let in_range = |seconds: &f64| *seconds >= 0.001 && *seconds <= 366.0 * 86_400.0;
    text.parse().ok().filter(in_range).map(Duration::from_secs_f64).ok_or_else(|| SECONDS.to_owned())
}

fn choice<T: clap::ValueEnum>(text: &str) -> Result<T, String> {
    T::from_str(text, false)
}

fn checked<T>(
    name: &'static str,
    value: String,
    read: fn(&str) -> Result<T, String>,
    expected: &'static str,
) -> Result<T, ConfigError> {
    read(&value).map_err(|_| ConfigError { name, value, expected })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &str, value: &str) -> Result<Config, ConfigError> {
        Config::default().overridden(|asked| (asked == name).then(|| value.to_owned()))
    }

    #[test]
    fn settings_override_and_nonsense_is_named() {
        assert_eq!(with("CHATROOM_ROOT", "/srv/x").unwrap().root, Some(PathBuf::from("/srv/x")));
        assert_eq!(with("CHATROOM_PING", "0.5").unwrap().ping, Duration::from_millis(500));
        assert_eq!(with("CHATROOM_LIFETIME", "").unwrap(), Config::default());
        for (name, value) in [("CHATROOM_PING", "0"), ("CHATROOM_LIFETIME", "soon"), ("CHATROOM_PADDING", "yes")] {
            let error = with(name, value).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains(value) && error.contains("expected"), "{error}");
        }
        for value in ["1e-12", "NaN", "inf", "-1", "1e300"] {
            assert!(with("CHATROOM_PING", value).is_err(), "{value}");
        }
    }

    #[test]
    fn a_site_has_a_data_root_of_its_own_and_nothing_leads_out_of_it() {
        let home = Config { home: Some("/home/al".into()), ..Config::default() };
        let root = |config: &Config, by_shell_name| config.data_root(by_shell_name).map(Cow::into_owned);
        assert_eq!((root(&home, false), root(&Config::default(), true)), (None, None));
        assert_eq!(root(&home, true), Some("/home/al/sites/.sitedata/default/chatrooms".into()));
        let server = Config { fallback: Some("./chatrooms".into()), ..home.clone() };
        assert_eq!(root(&server, true), Some("./chatrooms".into()));
        let named = |name: &str, value: &str| server.overridden(|asked| (asked == name).then(|| value.to_owned()));
        let of = |name, value| root(&named(name, value).unwrap(), false).unwrap();
        assert_eq!(of("WIZARDRY_SITE_NAME", "a.b-c"), Path::new("/home/al/sites/.sitedata/a.b-c/chatrooms"));
        assert_eq!(of("WIZARDRY_SITES_DIR", "/srv/s"), Path::new("/srv/s/.sitedata/default/chatrooms"));
        assert_eq!(of("WIZARDRY_SITE_NAME", ""), Path::new("./chatrooms"));
        assert_eq!(of("CHATROOM_ROOT", "/srv/x"), Path::new("/srv/x"));
        for name in [".", "..", "a/b", "../b", "a b", "a\0", "é"] {
            let error = named("WIZARDRY_SITE_NAME", name).unwrap_err().to_string();
            assert!(error.contains("WIZARDRY_SITE_NAME"), "{error}");
        }
    }

    #[test]
    fn padding_is_for_what_would_be_kept_back() {
        let config = Config::default();
        assert!(config.pace(true).padding && !config.pace(false).padding);
        assert!(with("CHATROOM_PADDING", "on").unwrap().pace(false).padding);
        assert!(!with("CHATROOM_PADDING", "off").unwrap().pace(true).padding);
    }
}
