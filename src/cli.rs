//! The command line: arguments and environment become one [`Command`].

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::api::static_page::ProgramsAddress;
use crate::config::{self, Ack, Config, DEFAULT_ROOT, Padding};
use crate::gateway::listen::Address;
use crate::limits;
use crate::live::admission::Bounds;
use crate::live::webhook::Reach;
use crate::room::name::{RoomName, UserName};
use crate::store::watch::WatchMode;

const AFTER_HELP: &str = "\
A room is a directory, its .log is the conversation, one line a message:

  mkdir -p chatrooms/General
  chatroom serve &                        # http://127.0.0.1:8080/
  echo \"[$(date '+%F %T')] cron: backup done\" >> chatrooms/General/.log
  chatroom say General 'good morning'
  chatroom tail -f General | grep --line-buffered backup

As a CGI program (GATEWAY_INTERFACE is in the environment) it answers one request, from the
folder that CHATROOM_ROOT names, and takes no arguments.

Exit status: 0 done, 1 it could not be done, 2 the command line makes no sense.";

/// File-backed chat: a room is a directory, its .log is the conversation.
#[derive(Debug, Parser)]
#[command(name = "chatroom", version, after_help = AFTER_HELP, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve rooms over HTTP, and print the address
    Serve {
        /// Where to listen: ADDR:PORT (port 0 takes a free one) or unix:PATH
        #[arg(long, value_name = "ADDRESS", env = "CHATROOM_LISTEN", default_value = "127.0.0.1:8080")]
        listen: Address,
        /// How rooms are served
        #[command(flatten)]
        options: ServerOptions,
    },
    /// Serve rooms over FastCGI, behind a web server
    ///
    /// Without --listen it serves the socket that spawn-fcgi (descriptor 0) or systemd
    /// (LISTEN_FDS) passes.
    Fastcgi {
        /// Where to listen: unix:PATH or ADDR:PORT
        #[arg(long, value_name = "ADDRESS", env = "CHATROOM_LISTEN")]
        listen: Option<Address>,
        /// How rooms are served
        #[command(flatten)]
        options: ServerOptions,
    },
    /// Say something in a room
    Say {
        /// The room
        #[arg(value_parser = RoomName::parse)]
        room: RoomName,
        /// What to say; `-`, or nothing: each line of standard input as a message
        text: Option<String>,
        /// Who says it
        #[arg(long = "as", value_name = "NAME", env = "CHATROOM_USER", value_parser = UserName::parse)]
        user: Option<UserName>,
        /// Where the room is
        #[command(flatten)]
        place: PlaceOptions,
    },
    /// Show the last lines of a room
    Tail {
        /// The room
        #[arg(value_parser = RoomName::parse)]
        room: RoomName,
        /// How many lines
        #[arg(short = 'n', long, value_name = "N", env = "CHATROOM_LINES", default_value_t = 10)]
        lines: usize,
        /// And then each line as it comes
        #[arg(short, long, env = "CHATROOM_FOLLOW")]
        follow: bool,
        /// Where the room is
        #[command(flatten)]
        place: PlaceOptions,
    },
    /// List the rooms
    Rooms {
        /// Where they are
        #[command(flatten)]
        place: PlaceOptions,
    },
    /// Show how a server is doing, from its /metrics
    Status {
        /// The server's address
        #[arg(long, value_name = "URL", env = "CHATROOM_URL", default_value = "http://127.0.0.1:8080/")]
        url: String,
    },
    /// Put chatroom in the place of shell CGI programs: symlinks of their names in a folder
    Dropin {
        /// The folder of CGI programs
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        /// Keep what has such a name in DIR/.before-chatroom
        #[arg(long)]
        replace: bool,
        /// Take the symlinks away, and put back what was kept
        #[arg(long, conflicts_with = "replace")]
        remove: bool,
    },
    /// Write the chat page as files, for a web server that has the programs of `chatroom dropin` and nothing else of chatroom
    Page {
        /// The folder that the web server serves them from
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        /// The address of the folder of CGI programs, as seen from the page
        #[arg(long, value_name = "ADDRESS", value_parser = ProgramsAddress::parse, default_value = "../cgi/")]
        programs: ProgramsAddress,
    },
    /// List who is in a room; people on a web page have a `@` before their name
    Who {
        /// The room
        #[arg(value_parser = RoomName::parse)]
        room: RoomName,
        /// Where the room is
        #[command(flatten)]
        place: PlaceOptions,
    },
}

/// How rooms are served.
#[derive(Debug, Args)]
pub struct ServerOptions {
    /// The folder of rooms [default: ./chatrooms]
    #[arg(env = "CHATROOM_ROOT")]
    root: Option<PathBuf>,
    /// A folder of sites, where no folder of rooms is given: the rooms of SITE are in .sitedata/SITE/chatrooms, and the FastCGI
    /// parameter WIZARDRY_SITE_NAME says which site it is
    #[arg(long, value_name = "DIR", env = "WIZARDRY_SITES_DIR")]
    sites: Option<PathBuf>,
    /// After how many seconds of silence a stream says that it lives
    #[arg(long, value_name = "SECONDS", env = "CHATROOM_PING", value_parser = config::seconds,
          default_value = "30")]
    ping: Duration,
    /// After how many seconds, at most, a stream's client is told to reconnect
    #[arg(long, value_name = "SECONDS", env = "CHATROOM_LIFETIME", value_parser = config::seconds,
          default_value = "3600")]
    lifetime: Duration,
    /// After how many seconds at most a long-poll of a stream is answered that nothing came
    #[arg(long, value_name = "SECONDS", env = "CHATROOM_LONG_POLL", value_parser = config::seconds,
          default_value = "4")]
    long_poll: Duration,
    /// After how many seconds without a stream somebody on a web page has left
    #[arg(long, value_name = "SECONDS", env = "CHATROOM_GRACE", value_parser = config::seconds,
          default_value = "10")]
    grace: Duration,
    /// Whether events are followed by 8 KB of padding, for something on the way that keeps back
    /// what it gets (auto: only under CGI without NO_BUFFERING)
    #[arg(long, value_enum, env = "CHATROOM_PADDING", default_value_t)]
    padding: Padding,
    /// How changes of files are noticed (auto: inotify or kqueue, polling where that can't be had)
    #[arg(long, value_enum, env = "CHATROOM_WATCH", default_value_t)]
    watch: WatchMode,
    /// When a posted message is acknowledged: once it is in the log, which outlives a crash of any
    /// program, or once it is on disk, which outlives a power cut
    #[arg(long, value_enum, env = "CHATROOM_ACK", default_value_t)]
    ack: Ack,
    /// Let webhooks be at addresses of private networks (over TLS) and of this machine, too
    #[arg(long, env = "CHATROOM_ALLOW_PRIVATE_WEBHOOKS")]
    allow_private_webhooks: bool,
    /// How many streams are served at a time
    #[arg(long, value_name = "N", env = "CHATROOM_MAX_STREAMS", default_value_t = limits::STREAMS_DEFAULT)]
    max_streams: usize,
    /// How many of them in one room [default: as many as in all]
    #[arg(long, value_name = "N", env = "CHATROOM_MAX_ROOM_STREAMS")]
    max_room_streams: Option<usize>,
    /// How many of them for one client address (of IPv6, its /64) [default: as many as in all]
    #[arg(long, value_name = "N", env = "CHATROOM_MAX_CLIENT_STREAMS")]
    max_client_streams: Option<usize>,
    /// How many threads serve
    #[arg(long, value_name = "N", env = "CHATROOM_WORKERS", default_value_t = 1,
          value_parser = clap::value_parser!(u8).range(1..))]
    workers: u8,
    /// The permissions of a Unix socket to listen on, in octal
    #[arg(long, value_name = "MODE", env = "CHATROOM_SOCKET_MODE", value_parser = octal, default_value = "660")]
    socket_mode: u32,
}

/// Where rooms are: files, or a server.
#[derive(Debug, Args)]
pub struct PlaceOptions {
    /// The folder of rooms
    #[arg(long, value_name = "DIR", env = "CHATROOM_ROOT", default_value = DEFAULT_ROOT)]
    pub root: PathBuf,
    /// A server's address instead, such as http://127.0.0.1:8080/
    #[arg(long, value_name = "URL", env = "CHATROOM_URL")]
    pub url: Option<String>,
    /// How changes of files are noticed
    #[arg(long, value_enum, env = "CHATROOM_WATCH", default_value_t)]
    pub watch: WatchMode,
}

impl ServerOptions {
    /// These options as settings.
    pub fn config(&self) -> Config {
        Config {
            root: self.root.clone(),
            sites: self.sites.clone(),
            site: None,
            home: std::env::home_dir(),
            fallback: Some(DEFAULT_ROOT.into()),
            ping: self.ping,
            lifetime: self.lifetime,
            long_poll: self.long_poll,
            padding: self.padding,
            watch: self.watch,
            bounds: Bounds { all: self.max_streams, room: self.max_room_streams, client: self.max_client_streams },
            grace: self.grace,
            ack: self.ack,
            webhooks: if self.allow_private_webhooks { Reach::Private } else { Reach::Public },
        }
    }

    /// How many threads serve.
    pub fn workers(&self) -> usize {
        usize::from(self.workers)
    }

    /// The permissions of a Unix socket.
    pub fn socket_mode(&self) -> u32 {
        self.socket_mode
    }
}

fn octal(text: &str) -> Result<u32, String> {
    u32::from_str_radix(text, 8)
        .ok()
        .filter(|mode| *mode <= 0o777)
        .ok_or_else(|| "expected permissions in octal, such as 660".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent_and_its_defaults_are_the_limits() {
        Cli::command().debug_assert();
        let cli = Cli::try_parse_from(["chatroom", "serve"]).unwrap();
        let Command::Serve { options, .. } = cli.command else { panic!("{cli:?}") };
        let home = std::env::home_dir();
        assert_eq!(options.config(), Config { fallback: Some(DEFAULT_ROOT.into()), home, ..Config::default() });
        assert_eq!(options.socket_mode(), 0o660);
    }
}
