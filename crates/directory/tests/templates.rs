//! Templates against the answers of the real Dovecot, recorded in `data`; each file says in its first lines what it
//! holds.

use std::os::unix::ffi::OsStrExt;

use directory::template::{ExpandError, Template, Variables};

/// The lines of a record, their columns unescaped.
fn rows(text: &str) -> impl Iterator<Item = Vec<Vec<u8>>> {
    text.lines().filter(|line| !line.starts_with("# ")).map(|line| line.split('\t').map(unescape).collect())
}

/// `\xHH` is an octet, `\\` a backslash.
fn unescape(column: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut rest = column;
    while let Some((before, after)) = rest.split_once('\\') {
        octets.extend_from_slice(before.as_bytes());
        if let Some(after) = after.strip_prefix('\\') {
            octets.push(b'\\');
            rest = after;
        } else {
            octets.push(u8::from_str_radix(&after[1..3], 16).unwrap());
            rest = &after[3..];
        }
    }
    octets.extend_from_slice(rest.as_bytes());
    octets
}

fn text(column: &[u8]) -> &str {
    std::str::from_utf8(column).unwrap()
}

#[test]
fn variables_and_modifiers_give_what_dovecot_gives() {
    let mut compared = 0;
    for row in rows(include_str!("data/dovecot-variables.tsv")) {
        let [template, login, answer] = row.as_slice() else { panic!("{row:?}") };
        let (template, login) = (text(template), text(login));
        let variables = Variables::new(login).with_service("doveadm").with_ips("127.0.0.2", "10.0.0.9");
        let ours = Template::parse(template).unwrap().expand_octets(&variables).unwrap();
        assert_eq!(ours.escape_ascii().to_string(), answer.escape_ascii().to_string(), "{template} of {login:?}");
        compared += 1;
    }
    assert!(compared > 6000, "{compared}");
}

#[test]
fn homes_and_quotas_by_attribute_give_what_dovecot_gives() {
    let templates = [
        "/var/vmail/%1M$/%2.1M$/%$",
        "%L$|%1$|%2.3$|%.32H$|%2.100N$",
        "*:bytes=%{ldap:info}",
        "*:bytes=%{ldap:info:77M}",
        "%M{ldap:sAMAccountName}/%2.2M{ldap:sAMAccountName}/%L{ldap:sAMAccountName}/%E{ldap:sAMAccountName}",
    ]
    .map(|template| Template::parse(template).unwrap());
    let mut compared = 0;
    for row in rows(include_str!("data/dovecot-attributes.tsv")) {
        let [name, info, answers @ ..] = row.as_slice() else { panic!("{row:?}") };
        let (name, info) = (text(name), text(info));
        let mut variables =
            Variables::new("x").with_value(name).with_attribute("sAMAccountName", vec![name.to_owned()]);
        if info != "-" {
            variables = variables.with_attribute("info", vec![info.to_owned()]);
        }
        for (template, answer) in templates.iter().zip(answers) {
            let ours = template.expand_octets(&variables).unwrap();
            assert_eq!(ours.escape_ascii().to_string(), answer.escape_ascii().to_string(), "{name:?}");
        }
        // As a path it is the same, or refused: Dovecot lets these names out of their folders.
        match templates[0].expand_path(&variables) {
            Ok(home) => assert_eq!(home.as_os_str().as_bytes(), answers[0]),
            Err(error) => {
                assert_eq!(error, ExpandError::LeavesItsFolder, "{name:?}");
                assert!(name.contains('/') || name == "." || name == "..", "{name:?}");
            }
        }
        compared += 1;
    }
    assert_eq!(compared, 260);
}

#[test]
fn filters_mean_what_dovecots_mean() {
    let mut compared = 0;
    for row in rows(include_str!("data/dovecot-filters.tsv")) {
        let [login, answers @ ..] = row.as_slice() else { panic!("{row:?}") };
        let variables = Variables::new(text(login));
        for (template, answer) in ["%u", "%n", "%d", "%Lu"].iter().zip(answers) {
            let ours = Template::parse(template).unwrap().expand_filter(&variables).unwrap();
            assert_eq!(meant(&ours), meant(text(answer)), "{template} of {login:?}");
        }
        compared += 1;
    }
    assert_eq!(compared, 260);
}

/// The value an assertion stands for (RFC 4515 §3): both sides escape different octets, in different case.
fn meant(assertion: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut rest = assertion.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first == b'\\' {
            octets.push(u8::from_str_radix(text(&after[..2]), 16).unwrap());
            rest = &after[2..];
        } else {
            assert!(!b"*()".contains(first), "{assertion}");
            octets.push(*first);
        }
    }
    octets
}
