//! Kerberos' names (RFC 4120 §6.2): whose ticket it is, and for what.

use crate::config::{GssapiSettings, Protocol};

/// The name of a protocol's service, as its registration has it (RFC 3501 §6.2.2, RFC 4954 §8, RFC 5034 §4, RFC 5804 §2.1).
pub fn service(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Imap => "imap",
        Protocol::Pop3 => "pop",
        Protocol::ManageSieve => "sieve",
        Protocol::Submission | Protocol::Smtp | Protocol::Lmtp | Protocol::Admin => "smtp",
    }
}

/// `service/host@REALM`, with this protocol's service and one of our hosts.
pub fn is_for_us(target: &str, service: &str, settings: &GssapiSettings) -> Result<(), String> {
    let (name, _) = split(target).ok_or_else(|| format!("it is for {target}"))?;
    let is_ours = name.split_once('/').is_some_and(|(wanted, host)| {
        wanted == service && settings.hosts.iter().any(|own| own.eq_ignore_ascii_case(host))
    });
    if is_ours { Ok(()) } else { Err(format!("it is for {target}, not for {service}")) }
}

/// Who holds the ticket, as accounts are found.
pub fn login(client: &str, settings: &GssapiSettings) -> Result<String, String> {
    let (name, realm) = split(client).ok_or_else(|| format!("{client} cannot be a login"))?;
    // Upper and lower case matter in realms (RFC 4120 §6.1).
    if !settings.realms.iter().any(|own| own == realm) {
        return Err(format!("{client} is of another realm"));
    }
    Ok(if settings.whole_principal { client } else { name }.to_owned())
}

/// Name and realm. A name with characters that are shown with a backslash could be taken for another one.
fn split(principal: &str) -> Option<(&str, &str)> {
    let (name, realm) = principal.rsplit_once('@').filter(|_| !principal.contains('\\'))?;
    (!name.is_empty() && !name.contains('@') && !realm.is_empty()).then_some((name, realm))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(whole_principal: bool) -> GssapiSettings {
        let texts = |text: &str| vec![text.to_owned()];
        GssapiSettings {
            keytab: "keytab".into(),
            realms: texts("EXAMPLE.TEST"),
            hosts: texts("mail.example.test"),
            whole_principal,
        }
    }

    #[test]
    fn a_login_is_the_name_or_the_whole_principal_of_our_realms() {
        assert_eq!(login("ana@EXAMPLE.TEST", &settings(false)).as_deref(), Ok("ana"));
        assert_eq!(login("ana@EXAMPLE.TEST", &settings(true)).as_deref(), Ok("ana@EXAMPLE.TEST"));
        for other in [
            "ana@OTHER.TEST",
            "ana@example.test",
            "ana",
            "@EXAMPLE.TEST",
            "ana@",
            r"ana\@OTHER@EXAMPLE.TEST",
            "a@b@EXAMPLE.TEST",
        ] {
            assert!(login(other, &settings(true)).is_err(), "{other}");
        }
    }

    #[test]
    fn a_ticket_is_for_one_service_on_our_host() {
        let is_ours = |target: &str| is_for_us(target, service(Protocol::Imap), &settings(false)).is_ok();
        assert!(is_ours("imap/mail.example.test@EXAMPLE.TEST"));
        assert!(is_ours("imap/MAIL.example.test@EXAMPLE.TEST"));
        for other in [
            "smtp/mail.example.test@EXAMPLE.TEST",
            "imap/other.example.test@EXAMPLE.TEST",
            "imap@EXAMPLE.TEST",
            "imap/mail.example.test",
            "imap/mail.example.test/more@EXAMPLE.TEST",
            r"imap/mail.example.test\@EXAMPLE.TEST@EXAMPLE.TEST",
        ] {
            assert!(!is_ours(other), "{other}");
        }
    }
}
