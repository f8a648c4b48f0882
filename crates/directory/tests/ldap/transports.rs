//! TLS, StartTLS and a socket of the machine; a certificate that nobody vouches for.

use std::time::SystemTime;

use directory::ldap::{Fault, LdapDirectory, OwnBind, Settings, Url, Verdict};
use proto::sasl::Secret;

use crate::slapd::Slapd;
use crate::twins::{description, settings};

struct Certificates {
    folder: tempfile::TempDir,
}

impl Certificates {
    /// One that vouches for 127.0.0.1, with its key, and one that vouches for nobody here.
    fn make() -> Certificates {
        let folder = tempfile::tempdir().unwrap();
        for name in ["good", "other"] {
            let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
            let both = format!("{}{}", made.cert.pem(), made.signing_key.serialize_pem());
            std::fs::write(folder.path().join(format!("{name}.pem")), both).unwrap();
        }
        Certificates { folder }
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(format!("{name}.pem"))
    }
}

async fn log_in(settings: Settings) -> Result<String, Fault> {
    let directory = LdapDirectory::start(settings, description()).unwrap();
    match directory.log_in("usuario01", &Secret::new("P@ssw0rd"), SystemTime::now()).await {
        Verdict::Welcome(person) => Ok(person.account.name.clone()),
        Verdict::Unavailable(fault) => Err(fault),
        Verdict::Refused(refusal) => panic!("{refusal}"),
    }
}

#[tokio::test]
async fn passwords_travel_by_tls_start_tls_or_a_socket() {
    let certificates = Certificates::make();
    let slapd = Slapd::with("", Some(&certificates.file("good")));
    let plain = settings(&[slapd.port]);
    let ldaps = Url::parse(&format!("ldaps://127.0.0.1:{}", slapd.tls_port)).unwrap();
    let ca_file = Some(certificates.file("good"));
    let by_tls = Settings { urls: vec![ldaps.clone()], ca_file: ca_file.clone(), ..plain.clone() };
    assert_eq!(log_in(by_tls).await, Ok("usuario01".to_owned()));
    let by_start_tls = Settings { start_tls: true, ca_file, ..plain.clone() };
    assert_eq!(log_in(by_start_tls.clone()).await, Ok("usuario01".to_owned()));
    let socket = slapd.socket().display().to_string().replace('/', "%2F");
    let by_socket = Settings { urls: vec![Url::parse(&format!("ldapi://{socket}")).unwrap()], ..plain.clone() };
    assert_eq!(log_in(by_socket).await, Ok("usuario01".to_owned()));

    let other = Some(certificates.file("other"));
    for untrusted in [
        Settings { urls: vec![ldaps], ca_file: other.clone(), ..plain.clone() },
        Settings { start_tls: true, ca_file: other, ..plain.clone() },
        // The certificate is for 127.0.0.1 and not for this name.
        Settings { urls: vec![Url::parse(&format!("ldap://localhost:{}", slapd.port)).unwrap()], ..by_start_tls },
    ] {
        let fault = log_in(untrusted).await.unwrap_err().to_string();
        assert!(fault.contains("TLS"), "{fault}");
    }
}

#[tokio::test]
async fn a_server_that_will_not_start_tls_gets_no_password() {
    let certificates = Certificates::make();
    let slapd = Slapd::start();
    let own_bind = Some(OwnBind { dn: crate::twins::OWN_DN.to_owned(), password: Secret::new("Pass2016Mail") });
    let relay = crate::twins::Relay::to(slapd.port).await;
    let settings =
        Settings { start_tls: true, ca_file: Some(certificates.file("good")), own_bind, ..settings(&[relay.port]) };
    let fault = log_in(settings).await.unwrap_err().to_string();
    assert!(fault.contains("StartTLS is refused"), "{fault}");
    assert_eq!(relay.binds.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[tokio::test]
async fn certificates_that_cannot_be_read_are_told_at_the_start() {
    let settings = Settings { start_tls: true, ca_file: Some("/nonexistent.pem".into()), ..settings(&[1]) };
    let error = LdapDirectory::start(settings, description()).unwrap_err();
    assert!(error.to_string().starts_with("/nonexistent.pem: "), "{error}");
}
