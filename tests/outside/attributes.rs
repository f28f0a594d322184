//! Attributes of avatars, as `setfattr` writes them.

use super::support::process::tool;
use super::support::rooms::Rooms;
use super::support::server::{Server, chatroom};

#[test]
fn attributes_are_read_in_the_forms_that_shells_write_and_none_masks_another() {
    let rooms = Rooms::empty();
    rooms.create("R");
    let server = Server::serve(rooms.root(), &[]);
    let setfattr = |name: &str, attribute: &str, value: &str| {
        let mut command = tool("setfattr");
        let status = command.args(["-n", attribute, "-v", value]).arg(rooms.avatar_path("R", name)).status();
        assert!(status.unwrap().success(), "{attribute}");
    };
    for (name, attribute) in [("a", "user.user.web_avatar"), ("b", "user.web_avatar")] {
        rooms.avatar("R", name);
        setfattr(name, attribute, "1");
    }
    rooms.avatar("R", "c").attribute("R", "c", "web_avatar", "1");
    rooms.avatar("R", "d");
    let who = chatroom().args(["who", "R", "--root"]).arg(rooms.root()).output().unwrap();
    assert_eq!(String::from_utf8(who.stdout).unwrap(), "@a\n@b\n@c\nd\n");
    // An old form that says "long ago" must not mask the new one that says "now".
    setfattr("b", "user.last_activity", "1000000");
    assert_eq!(server.site().request("PUT", "/rooms/R/members/b", &[], b"").status, 200);
    assert!(server.site().get("/rooms/R/members").text().contains("\"b\""));
}
