//! Which streams a subscription is about: a pattern of path segments. `*` is any one segment, `**` any number of them.

/// A pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern<'a> {
    segments: Vec<&'a str>,
}

impl<'a> Pattern<'a> {
    /// The pattern that `text` writes down.
    pub fn parse(text: &'a str) -> Pattern<'a> {
        let mut segments: Vec<&str> = text.split('/').collect();
        segments.dedup_by(|one, other| *one == "**" && *other == "**");
        Pattern { segments }
    }

    /// Whether the stream of this name is meant.
    pub fn matches(&self, name: &str) -> bool {
        // How much of the pattern the segments so far can be: one pass, whatever the pattern.
        let mut reached = vec![false; self.segments.len() + 1];
        reached[0] = true;
        self.skip_any(&mut reached);
        for segment in name.split('/') {
            let mut next = vec![false; reached.len()];
            for (at, part) in self.segments.iter().enumerate().filter(|(at, _)| reached[*at]) {
                match *part {
                    "**" => next[at] = true,
                    "*" => next[at + 1] = true,
                    literal if literal == segment => next[at + 1] = true,
                    _ => {}
                }
            }
            self.skip_any(&mut next);
            reached = next;
        }
        reached[self.segments.len()]
    }

    /// `**` is no segment, too.
    fn skip_any(&self, reached: &mut [bool]) {
        for (at, part) in self.segments.iter().enumerate() {
            if reached[at] && *part == "**" {
                reached[at + 1] = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_matched_whole() {
        for (pattern, name, matches) in [
            ("events/*", "events/a", true),
            ("events/*", "events/a/b", false),
            ("events/*", "events", false),
            ("*", "General", true),
            ("*", "a/b", false),
            ("**", "a/b/c", true),
            ("events/**", "events", true),
            ("events/**", "events/a/b", true),
            ("**/b", "b", true),
            ("**/b", "a/c/b", true),
            ("**/b", "a/c/bb", false),
            ("a/**/b/*", "a/b/b/c", true),
            ("chat-*", "chat-1", false),
        ] {
            assert_eq!(Pattern::parse(pattern).matches(name), matches, "{pattern} {name}");
        }
    }

    #[test]
    fn no_pattern_takes_long() {
        let pattern = "**/a/".repeat(40) + "b";
        assert!(!Pattern::parse(&pattern).matches(&"a/".repeat(100)));
    }
}
