//! How the programs under test notice changes. `CHATROOM_TEST_WATCH=poll cargo test` lets all of them poll, whatever a test
//! asks for.

/// What a test gets that asks for this: `auto`, `dnotify` or `poll`.
pub fn way(asked: &str) -> String {
    forced().unwrap_or_else(|| asked.to_owned())
}

/// What all get, where it is one.
pub fn forced() -> Option<String> {
    std::env::var("CHATROOM_TEST_WATCH").ok().filter(|way| !way.is_empty())
}

/// Whether the kernel is asked to watch where a test asks for nothing.
pub fn is_by_kernel() -> bool {
    way("auto") != "poll"
}

/// Arguments of a command, with what is forced in the place of what they say after `--watch`.
pub fn args(args: &[&str]) -> Vec<String> {
    let mut args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
    if let Some(at) = args.iter().position(|arg| arg == "--watch") {
        args[at + 1] = way(&args[at + 1]);
    }
    args
}
