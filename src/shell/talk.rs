//! What the commands print.

use std::io::{self, BufRead, Write};

use crate::room::name::{RoomName, UserName};
use crate::shell::place::{Failure, Place};

/// `chatroom say`: the text, or each line of standard input.
pub fn say(place: &Place, room: &RoomName, user: Option<&UserName>, text: Option<&str>) -> Result<(), Failure> {
    if let Some(text) = text.filter(|text| *text != "-") {
        return place.say(room, user, text);
    }
    for line in io::stdin().lock().split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        if !line.trim().is_empty() {
            place.say(room, user, &line)?;
        }
    }
    Ok(())
}

/// `chatroom rooms`: a name a line.
pub fn rooms(place: &Place, out: &mut impl Write) -> Result<(), Failure> {
    for room in place.rooms()? {
        writeln!(out, "{room}")?;
    }
    Ok(())
}

/// `chatroom who`: a name a line.
pub fn who(place: &Place, room: &RoomName, out: &mut impl Write) -> Result<(), Failure> {
    for member in place.members(room)?.iter() {
        writeln!(out, "{}{}", if member.is_web { "@" } else { "" }, member.username)?;
    }
    Ok(())
}
