//! The head of a CGI answer (RFC 3875, section 6.3): `Status:`, the other fields, a blank line.
//! FastCGI answers begin the same way.

use http::{HeaderMap, StatusCode};

/// Appends the head of an answer. Header values can't hold CR or LF, by their type.
pub fn head(out: &mut Vec<u8>, status: StatusCode, headers: &HeaderMap) {
    out.extend_from_slice(b"Status: ");
    status_and_headers(out, status, headers);
}

/// Appends the head of an HTTP/1.1 answer (RFC 9112, section 4).
pub fn http_head(out: &mut Vec<u8>, status: StatusCode, headers: &HeaderMap) {
    out.extend_from_slice(b"HTTP/1.1 ");
    status_and_headers(out, status, headers);
}

fn status_and_headers(out: &mut Vec<u8>, status: StatusCode, headers: &HeaderMap) {
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or("Unknown").as_bytes());
    out.extend_from_slice(b"\r\n");
    for (name, value) in headers {
        capitalised(out, name.as_str());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

/// Field names mean the same in any case. Shells that look for them expect `Content-Type`.
fn capitalised(out: &mut Vec<u8>, name: &str) {
    let mut begins = true;
    for byte in name.bytes() {
        out.push(if begins { byte.to_ascii_uppercase() } else { byte });
        begins = byte == b'-';
    }
}

/// The name of the HTTP field that a CGI variable `HTTP_…` carries (RFC 3875, section 4.1.18): in capitals, so that no
/// two variables carry the same.
pub fn field_name(variable: &str) -> Option<String> {
    let name = variable.strip_prefix("HTTP_")?;
    let is_one = !name.contains('-') && !name.bytes().any(|byte| byte.is_ascii_lowercase());
    is_one.then(|| name.replace('_', "-").to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_status_fields_and_a_blank_line() {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "text/plain".parse().unwrap());
        let mut out = Vec::new();
        head(&mut out, StatusCode::NOT_FOUND, &headers);
        assert_eq!(out, b"Status: 404 Not Found\r\nContent-Type: text/plain\r\n\r\n");
        assert_eq!(field_name("HTTP_LAST_EVENT_ID").unwrap(), "last-event-id");
        for none in ["QUERY_STRING", "HTTP_Origin", "HTTP_LAST-EVENT-ID"] {
            assert_eq!(field_name(none), None);
        }
    }
}
