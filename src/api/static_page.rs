//! The chat page as files, for a web server that has chatroom's CGI programs and nothing else of it. It begins with
//! `fallback.js`, which sees which of the two answers.

use std::fmt;

use crate::api::assets;
use crate::api::dropin::answer::escape;

/// By this a page is known as one of ours.
const MARK: &str = "<meta name=\"chatroom-programs\" content=\"";

/// Behind this, what is in the head counts for all the rest.
const CHARSET: &str = "<meta charset=\"utf-8\">\n";

/// Before this stands what there is without JavaScript.
const READING: &str = "    <div class=\"reading\">\n";

const NEEDS_JAVASCRIPT: &str =
    "    <noscript>\n      <p class=\"noscript\">This page needs JavaScript.</p>\n    </noscript>\n\n";

/// The modules that these pages begin with.
const BEGINNING: [&str; 2] = ["fallback.js", "programs.js"];

/// The address of a folder of CGI programs as seen from the page, on the page's own site. Ends in a slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramsAddress(String);

impl ProgramsAddress {
    /// Reads one. Fails on an address of another site, whose programs would refuse the page, on one with a query, and on
    /// an empty one.
    pub fn parse(text: &str) -> Result<Self, String> {
        let elsewhere = text.starts_with("//") || text.split('/').next().is_some_and(|first| first.contains(':'));
        let strange = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#' | '\\');
        if text.is_empty() || elsewhere || text.contains(strange) {
            return Err("expected the path of a folder on the page's own site, such as ../cgi/ or /cgi/".to_owned());
        }
        Ok(ProgramsAddress(format!("{}/", text.trim_end_matches('/'))))
    }
}

impl fmt::Display for ProgramsAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The page.
pub fn index(programs: &ProgramsAddress) -> String {
    let at = |name: &str| assets::address("./", name);
    let preload: String =
        BEGINNING.iter().map(|name| format!("  <link rel=\"modulepreload\" href=\"{}\">\n", at(name))).collect();
    let script = |name: &str| format!("  <script type=\"module\" src=\"{}\"></script>\n", at(name));
    // What the page has for those without JavaScript is chatroom's own.
    let html: String = assets::filled("./", "", &preload)
        .split("<noscript>")
        .map(|part| part.split_once("</noscript>").map_or(part, |(_, rest)| rest))
        .collect();
    let mut address = String::new();
    escape(&mut address, &programs.0);
    // A page can't say itself who may frame it.
    let policy = assets::POLICY.split("; frame-ancestors").next().unwrap_or_default();
    let head = format!(
        "{CHARSET}  <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n  \
         <meta name=\"referrer\" content=\"same-origin\">\n  {MARK}{address}\">\n"
    );
    let html = html.replacen(&script("first.js"), &script(BEGINNING[0]), 1).replacen(&script("main.js"), "", 1);
    html.replacen(CHARSET, &head, 1).replacen(READING, &(NEEDS_JAVASCRIPT.to_owned() + READING), 1)
}

/// Its files, each with its path as seen from the page.
pub fn files() -> impl Iterator<Item = (String, &'static str)> {
    assets::files().map(|(name, content)| (assets::address("", name), content))
}

/// Whether a page is one that was written so.
pub fn is_ours(html: &str) -> bool {
    html.contains(MARK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_folder_of_the_same_site() {
        for (text, expected) in [("../cgi/", "../cgi/"), ("/cgi", "/cgi/"), ("cgi//", "cgi/"), ("a/b:c", "a/b:c/")] {
            assert_eq!(ProgramsAddress::parse(text).unwrap().to_string(), expected);
        }
        for bad in
            ["", "//b.example/cgi/", "https://b.example/cgi/", "javascript:alert(1)", "cgi/?x", "cgi#", "\\\\b", "a b"]
        {
            assert!(ProgramsAddress::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_page_is_filled_in_and_its_files_are_where_it_says() {
        let page = index(&ProgramsAddress::parse("/a\"><script>'&/").unwrap());
        assert!(page.contains("content=\"/a&quot;&gt;&lt;script&gt;&#39;&amp;/\">"), "{page}");
        assert!(is_ours(&page) && !is_ours("<!doctype html>"));
        assert!(!page.contains("{{") && !page.contains("frame-ancestors") && !page.contains("refresh"), "{page}");
        assert_eq!(page.matches("<noscript>").count(), 1);
        assert_eq!(page.matches("<script type").count(), 1);
        assert!(page.contains("/fallback.js\"></script>"), "{page}");
        let head = page.find("Content-Security-Policy").unwrap();
        assert!(head < page.find("<link").unwrap() && head < page.find("<script").unwrap());
        let files: Vec<String> = files().map(|(path, _)| path).collect();
        let addresses = page.split(['"']).filter_map(|part| part.strip_prefix("./"));
        let missing: Vec<&str> = addresses.filter(|path| !files.iter().any(|file| file == path)).collect();
        assert!(missing.is_empty(), "{missing:?} of {page}: {files:?}");
    }
}
