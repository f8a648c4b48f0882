use crate::{Imap, folder};
use proto::{Next, Session};
use sim::transcript::Stage;
#[test]
#[ignore]
fn bless() {
    for path in sim::transcript::files(&folder()).unwrap() {
        let text = std::fs::read_to_string(&path).unwrap();
        let settings = text.lines().find_map(|l| l.strip_prefix("@ ")).unwrap_or("");
        let mut session = Imap.open(settings).unwrap();
        let mut outp = String::new();
        let mut closed = false;
        let mut drive = |session: &mut crate::house::Housed, outp: &mut String| {
            let mut said = Vec::new();
            let mut effects = String::new();
            let mut waits = String::new();
            while !closed {
                match session.next() {
                    Next::Send(b) => said.extend(b),
                    Next::NeedInput { patience, watch } => {
                        if watch || patience.as_secs() < 180 {
                            waits =
                                format!("= waits {}s{}\n", patience.as_secs(), if watch { " watching" } else { "" });
                        }
                        break;
                    }
                    Next::Close => {
                        effects.push_str("= closed\n");
                        closed = true;
                    }
                    Next::StartTls => {
                        effects.push_str("= starttls\n");
                        break;
                    }
                    Next::Pause(t) => effects.push_str(&format!("= pause {}ms\n", t.as_millis())),
                    Next::Content(_) => {}
                    Next::Ask(a) => match a {},
                }
            }
            let mut s = String::new();
            let mut rest = &said[..];
            while !rest.is_empty() {
                let (line, mark, after) = match memchr::memmem::find(rest, b"\r\n") {
                    Some(i) => (&rest[..i], "S:", &rest[i + 2..]),
                    None => (rest, "S|", &rest[rest.len()..]),
                };
                rest = after;
                let t = String::from_utf8_lossy(line)
                    .replace('\\', "\\\\")
                    .replace('\r', "\\r")
                    .replace('\n', "\\n")
                    .replace('\0', "\\x00")
                    .replace('\t', "\\t");
                s.push_str(mark);
                if !t.is_empty() {
                    s.push(' ');
                }
                s.push_str(&t);
                s.push('\n');
            }
            if effects.starts_with("= pause") {
                outp.push_str(&effects);
                outp.push_str(&s);
            } else {
                outp.push_str(&s);
                outp.push_str(&effects);
            }
            outp.push_str(&waits);
        };
        let mut first = true;
        for l in text.lines() {
            if l.starts_with("S") || l.starts_with("= ") {
                continue;
            }
            outp.push_str(l);
            outp.push('\n');
            if l.starts_with('#') || l.starts_with('@') || l.is_empty() {
                if l.is_empty() && first {
                    first = false;
                    drive(&mut session, &mut outp);
                }
                continue;
            }
            if let Some(ev) = l.strip_prefix("+ ") {
                match ev {
                    "timeout" => session.timed_out(),
                    "tls" => session.tls_started(),
                    "changed" => session.changed(),
                    "shutdown" => session.shut_down(),
                    "eof" => session.closed(),
                    _ => assert!(Imap.event(&mut session, ev), "{ev}"),
                }
                drive(&mut session, &mut outp);
                continue;
            }
            let arg = l[2..].strip_prefix(' ').unwrap_or(&l[2..]);
            let mut bytes = Vec::new();
            // via Transcript's own unescape is private: mimic
            let mut rest = arg;
            while let Some((p, e)) = rest.split_once('\\') {
                bytes.extend_from_slice(p.as_bytes());
                match e.as_bytes()[0] {
                    b'r' => {
                        bytes.push(b'\r');
                        rest = &e[1..];
                    }
                    b'n' => {
                        bytes.push(b'\n');
                        rest = &e[1..];
                    }
                    b'\\' => {
                        bytes.push(b'\\');
                        rest = &e[1..];
                    }
                    b'x' => {
                        bytes.push(u8::from_str_radix(&e[1..3], 16).unwrap());
                        rest = &e[3..];
                    }
                    b'(' => {
                        let (i, a) = e[1..].split_once(')').unwrap();
                        let (c, r) = i.split_once('*').unwrap();
                        let r = r.replace("\\r", "\r").replace("\\n", "\n");
                        for _ in 0..c.parse::<usize>().unwrap() {
                            bytes.extend_from_slice(r.as_bytes());
                        }
                        rest = a;
                    }
                    _ => panic!(),
                }
            }
            bytes.extend_from_slice(rest.as_bytes());
            if l.starts_with("C:") {
                bytes.extend_from_slice(b"\r\n");
            }
            session.receive(&bytes);
            drive(&mut session, &mut outp);
        }
        std::fs::write(&path, outp).unwrap();
        assert!(session.house.violations.is_empty(), "{:?}", session.house.violations);
    }
}
