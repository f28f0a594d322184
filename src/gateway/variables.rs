//! A request from CGI variables (RFC 3875, section 4.1), which FastCGI parameters are, too.

use std::collections::HashMap;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Method};

use crate::api::dropin::Program;
use crate::api::exchange::{BadBody, Request};
use crate::config::{Config, ConfigError};
use crate::wire::cgi;

/// The variables of one request.
pub struct Variables(HashMap<Vec<u8>, Vec<u8>>);

impl Variables {
    /// These.
    pub fn new(variables: HashMap<Vec<u8>, Vec<u8>>) -> Variables {
        Variables(variables)
    }

    /// The text of a variable that is there and not empty.
    pub fn get(&self, name: &str) -> Option<String> {
        let value = self.0.get(name.as_bytes()).filter(|value| !value.is_empty())?;
        Some(String::from_utf8_lossy(value).into_owned())
    }

    /// `config`, but for what these variables say for this location.
    pub fn config(&self, config: &Config) -> Result<Config, ConfigError> {
        config.overridden(|name| self.get(name))
    }

    /// Whether the web server sends on at once what it gets.
    pub fn is_flushed(&self) -> bool {
        self.0.contains_key(&b"NO_BUFFERING"[..])
    }

    /// The drop-in program that the script's name asks for.
    pub fn program(&self) -> Option<Program> {
        let path = self.get("SCRIPT_FILENAME").or_else(|| self.get("SCRIPT_NAME"))?;
        Program::named(path.rsplit('/').next().unwrap_or(""))
    }

    /// The request with this body. The path is that of
    /// `program`, where there is one; else PATH_INFO, and `bare` where that is not there.
    pub fn request(
        &self,
        body: Result<Bytes, BadBody>,
        program: Option<Program>,
        bare: impl Fn(&str) -> Mount,
    ) -> Request {
        let script = self.get("SCRIPT_NAME").unwrap_or_default();
        let Mount { mount, path } = match (program, self.get("PATH_INFO")) {
            (Some(program), _) => Mount { mount: script, path: program.path() },
            (None, Some(path)) => Mount { mount: script, path },
            (None, None) => bare(&script),
        };
        Request {
            method: self.get("REQUEST_METHOD").and_then(|method| method.parse().ok()).unwrap_or(Method::GET),
            mount: mount.trim_end_matches('/').to_owned(),
            path,
            query: self.get("QUERY_STRING").unwrap_or_default(),
            headers: self.headers(),
            body: body.and_then(|body| self.whole(body)),
            client: self.get("REMOTE_ADDR").and_then(|address| address.parse().ok()),
            authenticated: self.get("REMOTE_USER"),
            waited: None,
        }
    }

    /// How long the body is said to be.
    pub fn content_length(&self) -> u64 {
        self.get("CONTENT_LENGTH").and_then(|length| length.parse().ok()).unwrap_or(0)
    }

    /// Whether somebody calls the program by hand to post something: no web server does.
    pub fn is_posted_by_a_shell(&self) -> bool {
        self.get("GATEWAY_INTERFACE").is_none() && self.get("REQUEST_METHOD").as_deref() == Some("POST")
    }

    fn whole(&self, body: Bytes) -> Result<Bytes, BadBody> {
        if (body.len() as u64) < self.content_length() { Err(BadBody::CutShort) } else { Ok(body) }
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.0 {
            let name = std::str::from_utf8(name).ok().and_then(cgi::field_name);
            let name = name.and_then(|name| HeaderName::try_from(name).ok());
            if let (Some(name), Ok(value)) = (name, HeaderValue::from_bytes(value)) {
                headers.insert(name, value);
            }
        }
        if let Some(kind) = self.get("CONTENT_TYPE").and_then(|kind| HeaderValue::try_from(kind).ok()) {
            headers.insert(CONTENT_TYPE, kind);
        }
        headers
    }
}

/// A path, and what comes before it.
pub struct Mount {
    /// What the web server strips.
    pub mount: String,
    /// The rest.
    pub path: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> Variables {
        Variables::new(pairs.iter().map(|(n, v)| (n.as_bytes().to_vec(), v.as_bytes().to_vec())).collect())
    }

    fn bare(script: &str) -> Mount {
        Mount { mount: script.into(), path: String::new() }
    }

    #[test]
    fn variables_become_a_request() {
        let variables = variables(&[
            ("REQUEST_METHOD", "POST"),
            ("SCRIPT_NAME", "/chat"),
            ("PATH_INFO", "/rooms/General"),
            ("QUERY_STRING", "limit=2"),
            ("CONTENT_TYPE", "text/plain"),
            ("CONTENT_LENGTH", ""),
            ("HTTP_LAST_EVENT_ID", "x"),
            ("HTTP_BAD NAME", "x"),
            ("HTTP_EVIL", "a\r\nb: c"),
            ("REMOTE_USER", ""),
        ]);
        let request = variables.request(Ok(Bytes::new()), None, bare);
        assert_eq!(
            (request.method.as_str(), &request.mount[..], &request.path[..]),
            ("POST", "/chat", "/rooms/General")
        );
        assert_eq!(request.header("last-event-id"), Some("x"));
        assert_eq!(request.header("content-type"), Some("text/plain"));
        assert_eq!(request.headers.len(), 2);
        assert_eq!(request.authenticated, None);
    }

    #[test]
    fn a_program_is_chosen_by_the_scripts_name() {
        let by_file = variables(&[("SCRIPT_FILENAME", "/site/cgi/chat-stream"), ("SCRIPT_NAME", "/cgi/other")]);
        assert_eq!(by_file.program(), Some(Program::Stream));
        assert_eq!(by_file.request(Ok(Bytes::new()), by_file.program(), bare).path, "/chat-stream");
        assert_eq!(variables(&[("SCRIPT_NAME", "/cgi/chat-list-avatars")]).program(), Some(Program::ListAvatars));
        assert_eq!(variables(&[("SCRIPT_FILENAME", "/usr/lib/cgi-bin/chatroom")]).program(), None);
    }
}
