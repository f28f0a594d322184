//! What the page looks like, and how fast it is there. Both by hand:
//!
//! `cargo test --features outside --test outside -- --ignored --nocapture pictures` and `… measures`. The pictures
//! want Debian's fonts-noto-core, fonts-noto-color-emoji and fonts-noto-cjk.
