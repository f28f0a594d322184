//! Rooms on a server.

use std::io::{self, BufRead, BufReader, Write};
use std::thread;

use serde::Deserialize;
use ureq::http::Response;
use ureq::{Agent, Body};

use crate::limits::{RETRY_BASE, RETRY_MAX, STUCK_MAX};
use crate::room::members::{Member, Members};
use crate::room::name::{RoomName, UserName};
use crate::shell::place::Failure;
use crate::wire::events::Decoder;

/// A server.
pub struct Server {
    agent: Agent,
    url: String,
}

#[derive(Deserialize)]
struct Avatars {
    avatars: Vec<Avatar>,
}

#[derive(Deserialize)]
struct Avatar {
    username: String,
    is_web: bool,
}

#[derive(Deserialize)]
struct Problem {
    detail: String,
}

impl Server {
    /// The server at `url`, which is where its page is.
    pub fn at(url: &str) -> Result<Server, Failure> {
        if !url.starts_with("http://") {
            return Err(format!("{url:?}: expected an address that begins with http://").into());
        }
        let config = Agent::config_builder().http_status_as_error(false).timeout_connect(Some(STUCK_MAX)).build();
        Ok(Server { agent: config.new_agent(), url: url.trim_end_matches('/').to_owned() })
    }

    /// Which rooms there are.
    pub fn rooms(&self) -> Result<Vec<RoomName>, Failure> {
        let names: Vec<String> = self.read_json("/rooms")?;
        Ok(names.iter().map(|name| RoomName::parse(name)).collect::<Result<_, _>>()?)
    }

    /// Who is in a room.
    pub fn members(&self, room: &RoomName) -> Result<Members, Failure> {
        let Avatars { avatars } = self.read_json(&format!("/rooms/{room}/members"))?;
        let member =
            |avatar: Avatar| Ok(Member { username: UserName::parse(&avatar.username)?, is_web: avatar.is_web });
        Ok(Members::new(avatars.into_iter().map(member).collect::<Result<_, Failure>>()?))
    }

    /// What it has counted, as OpenMetrics text.
    pub fn metrics(&self) -> Result<String, Failure> {
        Ok(self.get("/metrics", "application/openmetrics-text", None)?.body_mut().read_to_string()?)
    }

    /// Says `text` in a room.
    pub fn say(&self, room: &RoomName, user: Option<&UserName>, text: &str) -> Result<(), Failure> {
        let path = format!("/rooms/{room}");
        let said = serde_json::json!({ "user": user.map(UserName::as_str), "text": text }).to_string();
        let address = self.address(&path);
        let request = self.agent.post(&address).header("content-type", "application/json");
        self.checked(&path, request.send(said)).map(drop)
    }

    /// Shows the last lines, and follows: across lost connections, too.
    pub fn tail(&self, room: &RoomName, lines: usize, follow: bool, out: &mut impl Write) -> Result<(), Failure> {
        let mut text = self.get(&format!("/rooms/{room}?tail={lines}"), "text/plain", None)?;
        let next = text.headers().get("chatroom-next").and_then(|next| next.to_str().ok()).map(str::to_owned);
        io::copy(&mut text.body_mut().as_reader(), out)?;
        out.flush()?;
        if !follow {
            return Ok(());
        }
        let mut at = next.ok_or_else(|| format!("{}: the server does not say where its log ends", self.url))?;
        let mut delay = RETRY_BASE;
        loop {
            // A server that was there is waited for, a minute or so.
            match self.get(&format!("/rooms/{room}?format=raw"), "text/event-stream", Some(&at)) {
                Ok(stream) => {
                    delay = RETRY_BASE;
                    if let Some(reason) = self.follow(room, stream, &mut at, out)? {
                        return Err(reason.into());
                    }
                }
                Err(error) if delay > RETRY_MAX => return Err(error),
                Err(_) => {}
            }
            thread::sleep(delay.mul_f64(0.5 + fastrand::f64() / 2.0).min(RETRY_MAX));
            delay *= 2;
        }
    }

    /// Writes a stream's messages until it is lost. Why there is no sense in another, where so.
    fn follow(
        &self,
        room: &RoomName,
        stream: Response<Body>,
        at: &mut String,
        out: &mut impl Write,
    ) -> io::Result<Option<String>> {
        let text = |data: &[u8]| String::from_utf8_lossy(data).into_owned();
        let mut decoder = Decoder::default();
        for line in BufReader::new(stream.into_body().into_reader()).split(b'\n') {
            let Ok(line) = line else { break };
            let Some(event) = decoder.line(&line) else { continue };
            match &event.name[..] {
                "message" => {
                    out.write_all(&event.data)?;
                    out.write_all(b"\n")?;
                    out.flush()?;
                }
                "reset" => {
                    let _ = writeln!(io::stderr(), "chatroom: {room}: the log is another one: {}", text(&event.data));
                }
                "error" => return Ok(Some(format!("{}: {room}: {}", self.url, text(&event.data)))),
                _ => {}
            }
            if !event.id.is_empty() {
                *at = event.id;
            }
        }
        Ok(None)
    }

    fn read_json<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        let mut answer = self.get(path, "application/json", None)?;
        serde_json::from_reader(answer.body_mut().as_reader())
            .map_err(|error| format!("{}: this is no answer of a chatroom: {error}", self.address(path)).into())
    }

    fn get(&self, path: &str, accept: &str, after: Option<&str>) -> Result<Response<Body>, Failure> {
        let mut request = self.agent.get(self.address(path)).header("accept", accept);
        if let Some(id) = after {
            request = request.header("last-event-id", id);
        }
        self.checked(path, request.call())
    }

    fn address(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    fn checked(&self, path: &str, answer: Result<Response<Body>, ureq::Error>) -> Result<Response<Body>, Failure> {
        let address = self.address(path);
        let mut answer = answer.map_err(|error| format!("{address}: {error}"))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let problem: Option<Problem> = serde_json::from_reader(answer.body_mut().as_reader()).ok();
        let why = problem.map_or_else(|| answer.status().to_string(), |problem| problem.detail);
        Err(format!("{address}: {why}").into())
    }
}
