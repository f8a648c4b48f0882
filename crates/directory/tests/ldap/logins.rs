//! Who is let in, and under which name.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use directory::ldap::{Description, HomeRoots, LdapDirectory, Outcome, Refusal, UserAttributes, Verdict};
use directory::template::Template;
use proto::sasl::Secret;

use crate::slapd::Slapd;
use crate::twins::{Relay, description, settings};

async fn log_in(directory: &LdapDirectory, login: &str, password: &str) -> Result<(String, String), Refusal> {
    match directory.log_in(login, &Secret::new(password), SystemTime::now()).await {
        Verdict::Welcome(person) => Ok((person.account.name.clone(), person.account.home.display().to_string())),
        Verdict::Refused(refusal) => Err(refusal),
        Verdict::Unavailable(fault) => panic!("{fault}"),
    }
}

#[tokio::test]
async fn the_right_password_lets_in_under_one_name_whatever_was_typed() {
    let slapd = Slapd::start();
    let directory = LdapDirectory::start(settings(&[slapd.port]), description()).unwrap();
    let uno = Ok(("usuario01".to_owned(), "/var/vmail/0/1/usuario01".to_owned()));
    for login in ["usuario01", "USUARIO01", "usuario01@domain01.dom", "Usuario01@whatever.example"] {
        assert_eq!(log_in(&directory, login, "P@ssw0rd").await, uno, "{login}");
    }
    let homes = [
        ("usuario02", "a/b/usuario02"),
        ("usuario03", "8/c/usuario03"),
        ("usuario04@domain02.dom", "2/1/usuario04"),
        ("usuario05", "3/f/usuario05"),
        ("usuario06", "9/a/usuario06"),
        ("usuario09", "9/2/Usuario09"),
    ];
    for (login, home) in homes {
        let (name, path) = log_in(&directory, login, "P@ssw0rd").await.unwrap();
        assert_eq!((path, name), (format!("/var/vmail/{home}"), login.split('@').next().unwrap().to_owned()));
    }
}

#[tokio::test]
async fn everybody_else_is_refused_and_the_log_knows_why() {
    let slapd = Slapd::start();
    let directory = LdapDirectory::start(settings(&[slapd.port]), description()).unwrap();
    let long = "a".repeat(5000);
    let cases = [
        ("usuario01", "bad", Refusal::WrongPassword),
        ("usuario01", "", Refusal::EmptyPassword),
        ("usuario07", "P@ssw0rd", Refusal::Disabled),
        ("vencido", "P@ssw0rd", Refusal::Expired),
        ("nuevo", "P@ssw0rd", Refusal::MustChangePassword),
        ("gemelo", "P@ssw0rd", Refusal::Ambiguous),
        ("jperez", "P@ssw0rd", Refusal::NoSuch),
        ("usuario01+x", "P@ssw0rd", Refusal::NoSuch),
        ("usuario0*", "P@ssw0rd", Refusal::NoSuch),
        ("*)(mail=*", "P@ssw0rd", Refusal::NoSuch),
        ("usuario01)(sAMAccountName=usuario01", "P@ssw0rd", Refusal::NoSuch),
        ("\\2a", "P@ssw0rd", Refusal::NoSuch),
        ("usuario01\0", "P@ssw0rd", Refusal::Login),
        ("", "P@ssw0rd", Refusal::Login),
        (&long, "P@ssw0rd", Refusal::Login),
    ];
    for (login, password, refusal) in cases {
        assert_eq!(log_in(&directory, login, password).await, Err(refusal), "{login}");
    }
    // A password is octets to the server; one it cannot have is wrong and nothing else.
    for password in ["P@ssw0rd\0", "Contraseña", &"x".repeat(2000)] {
        assert_eq!(log_in(&directory, "usuario01", password).await, Err(Refusal::WrongPassword));
    }
}

#[tokio::test]
async fn a_home_that_would_leave_its_folder_is_nobodys() {
    let slapd = Slapd::start();
    let mut description = description();
    description.login_filter = Some(Template::parse("(mail=%u@domain01.dom)").unwrap());
    let directory = LdapDirectory::start(settings(&[slapd.port]), description).unwrap();
    assert!(matches!(log_in(&directory, "escapista", "P@ssw0rd").await, Err(Refusal::Unusable(_))));
    // Logins by mail name, by principal name and by alias are a matter of the filter; the account is the same one.
    assert_eq!(log_in(&directory, "juan.perez", "P@ssw0rd").await.unwrap().0, "jperez");
}

#[tokio::test]
async fn a_whole_home_outside_of_its_roots_refuses_the_login_and_its_mail_waits() {
    let person = |name: &str, home: &str| {
        format!(
            "dn: cn={name},ou=usuarios,dc=domain01,dc=dom\nobjectClass: user\ncn: {name}\nsn: x\n\
             sAMAccountName: {name}\nmail: {name}@domain01.dom\nuserPassword: P@ssw0rd\ninfo: {home}\n\n"
        )
    };
    let slapd = Slapd::with(&(person("dentro", "/home/dentro") + &person("fuera", "/etc/cron.d")), None);
    let mut roots = HomeRoots::default();
    roots.add("/home").unwrap();
    let attributes = UserAttributes::parse("info=home").unwrap().with_home_roots(roots);
    let directory = LdapDirectory::start(settings(&[slapd.port]), Description { attributes, ..description() }).unwrap();
    assert_eq!(log_in(&directory, "dentro", "P@ssw0rd").await.unwrap().1, "/home/dentro");
    assert!(matches!(log_in(&directory, "fuera", "P@ssw0rd").await, Err(Refusal::Unusable(_))));
    let address = mail::Address::parse("fuera@domain01.dom").unwrap();
    let Outcome::Unavailable(why) = directory.recipient(&address, SystemTime::now()).await else { panic!() };
    assert!(why.to_string().contains("/etc/cron.d"), "{why}");
}

#[tokio::test]
async fn a_login_may_be_any_attribute_and_the_bind_may_be_by_a_template() {
    let slapd = Slapd::start();
    let filter = "(|(sAMAccountName=%n)(userPrincipalName=%u)(mail=%u)(proxyAddresses=smtp:%u))";
    let by_filter = Description { login_filter: Some(Template::parse(filter).unwrap()), ..description() };
    let directory = LdapDirectory::start(settings(&[slapd.port]), by_filter).unwrap();
    for (login, name) in [
        ("jperez", "jperez"),
        ("juan.perez@domain01.dom", "jperez"),
        ("JPerez@domain01.dom", "jperez"),
        ("apodo@domain01.dom", "alias"),
    ] {
        assert_eq!(log_in(&directory, login, "P@ssw0rd").await.unwrap().0, name, "{login}");
    }
    let dn = Template::parse("cn=%u,ou=usuarios,dc=domain01,dc=dom").unwrap();
    let by_dn = Description { login_filter: None, bind_name: Some(dn), ..description() };
    let directory = LdapDirectory::start(settings(&[slapd.port]), by_dn).unwrap();
    assert_eq!(log_in(&directory, "Usuario Uno", "P@ssw0rd").await.unwrap().0, "usuario01");
    assert_eq!(log_in(&directory, "Usuario Uno", "bad").await, Err(Refusal::WrongPassword));
    assert_eq!(log_in(&directory, "Nadie", "P@ssw0rd").await, Err(Refusal::NoSuch));
    assert_eq!(log_in(&directory, "Usuario Uno,ou=x", "P@ssw0rd").await, Err(Refusal::NoSuch));
}

#[tokio::test]
async fn an_account_is_found_by_name_with_its_standing() {
    let slapd = Slapd::start();
    let directory = LdapDirectory::start(settings(&[slapd.port]), description()).unwrap();
    let find = async |name: &str| directory.account(name, SystemTime::now()).await;
    let Outcome::Answer(uno) = find("usuario01").await else { panic!() };
    assert_eq!((uno.account.home.as_path(), uno.standing), (Path::new("/var/vmail/0/1/usuario01"), Ok(())));
    let Outcome::Answer(siete) = find("usuario07").await else { panic!() };
    assert_eq!(siete.standing, Err(Refusal::Disabled));
    assert_eq!(find("nosuch").await, Outcome::NoSuch);
    // Two of them: mail waits until the operator has mended it.
    assert!(matches!(find("gemelo").await, Outcome::Unavailable(_)));
}

#[tokio::test]
async fn logins_share_a_few_connections_and_an_empty_password_sends_nothing() {
    let slapd = Slapd::start();
    let relay = Relay::to(slapd.port).await;
    let mut settings = settings(&[relay.port]);
    (settings.lookup_connections, settings.bind_connections) = (1, 3);
    let directory = LdapDirectory::start(settings, description()).unwrap();
    let mut logins = tokio::task::JoinSet::new();
    for number in 0..60 {
        let directory = directory.clone();
        let password = if number % 3 == 0 { "bad" } else { "P@ssw0rd" };
        logins.spawn(async move { log_in(&directory, "usuario01", password).await.is_ok() });
    }
    let welcome = logins.join_all().await.into_iter().filter(|welcome| *welcome).count();
    assert_eq!(welcome, 40);
    assert!(relay.connections.load(Ordering::SeqCst) <= 4);
    let binds = relay.binds.load(Ordering::SeqCst);
    assert_eq!((binds, relay.searches()), (61, 60));
    assert_eq!(log_in(&directory, "usuario01", "").await, Err(Refusal::EmptyPassword));
    assert_eq!((relay.binds.load(Ordering::SeqCst), relay.searches()), (61, 60));
}
