//! Whether a text speaks of somebody: `@alice`, or to them: `alice: …`.

/// Whether `text` mentions `name`, in any case. The page's `text.js` says the same.
pub fn mentions(text: &str, name: &str) -> bool {
    let (text, name) = (text.to_lowercase(), name.to_lowercase());
    if let Some(rest) = text.strip_prefix(&name)
        && rest.starts_with([':', ','])
    {
        return true;
    }
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    text.match_indices('@').any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + 1..].strip_prefix(&name).map(|rest| rest.chars().next());
        !before.is_some_and(is_word) && after.is_some_and(|next| !next.is_some_and(is_word))
    })
}

#[cfg(test)]
mod tests {
    use super::mentions;

    #[test]
    fn a_mention_is_a_whole_name() {
        for yes in ["@al", "hi @AL!", "(@al)", "al: look", "Al, look", "@bo @al", "@al, @bo"] {
            assert!(mentions(yes, "al"), "{yes}");
        }
        for no in ["", "al", "hal: x", "@alice", "me@al", "@al-2", "see al: x", "@ al"] {
            assert!(!mentions(no, "al"), "{no}");
        }
    }
}
