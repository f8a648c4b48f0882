//! A bad file shows every mistake at once, each at its place.

use std::path::Path;

use mail::MailboxName;
use mail::namespace::{InList, Namespace, NamespaceKind, Separator};

use super::*;

const GOOD: &str = r#"
[node]
name = "mx1.example.test"
roles = ["mailbox", "outgoing"]
state = "state"

[[listener]]
protocol = "imap"
address = "127.0.0.1:2143"

[domains]
local = ["example.test"]

[[route]]
domain = "*"
to = "[127.0.0.1]:2025"

[directory]
password_file = "users"

[mailboxes]
home = "mail/%d/%n"
"#;

fn mistakes_of(text: &str) -> Vec<String> {
    parse(Path::new("/etc/tepui.toml"), text)
        .err()
        .map_or(Vec::new(), |bad| bad.mistakes.into_iter().map(|mistake| mistake.message).collect())
}

#[test]
fn a_good_file_has_defaults_for_what_it_leaves_out() {
    let settings = parse(Path::new("/etc/tepui/tepui.toml"), GOOD).unwrap();
    assert_eq!(settings.limits.message_size, 26_214_400);
    assert_eq!(settings.state, Path::new("/etc/tepui/state"));
    assert_eq!(settings.routes[0].host, "127.0.0.1");
    assert_eq!(settings.recipient_delimiter, '+');
}

#[test]
fn every_mistake_is_shown_at_once_with_line_column_and_help() {
    let text = GOOD
        .replace("[domains]", "[domians]")
        .replace("2143", "")
        .replace("[mailboxes]", "[limits]\nmesage_size = \"5M\"\nerrors = 0\n[mailboxes]\npoll = 5");
    let bad = parse(Path::new("/etc/tepui.toml"), &text).unwrap_err();
    for expected in [
        "--> /etc/tepui.toml:9:11",
        "expected an IP address and a port",
        "unknown table `domians`",
        "did you mean `domains`?",
        "unknown option `mesage_size`",
        "did you mean `message_size`?",
        "expected a whole number from 1 to 1000",
        "expected a duration",
        "[domains] is missing",
        "6 mistakes, nothing was started",
    ] {
        assert!(bad.report.contains(expected), "{expected} is not in\n{}", bad.report);
    }
}

#[test]
fn several_syntax_mistakes_are_found_in_one_reading() {
    let bad = parse(Path::new("tepui.toml"), "[node\nname = \n[log]\nlevel = \"info\n").unwrap_err();
    assert!(bad.mistakes.len() > 2, "{}", bad.report);
}

#[test]
fn tables_are_checked_against_each_other() {
    let no_role = GOOD.replace("[\"mailbox\", \"outgoing\"]", "[\"outgoing\"]");
    assert_eq!(mistakes_of(&no_role), ["this node has not the role \"mailbox\" that this listener needs"]);
    let no_certificate = GOOD.replace("2143\"", "2143\"\ntls = \"implicit\"");
    assert_eq!(mistakes_of(&no_certificate), ["this listener needs a certificate"]);
    let one_home = GOOD.replace("mail/%d/%n", "mail");
    assert_eq!(mistakes_of(&one_home), ["every account would have the same home"]);
    let twice = GOOD.replace("[domains]", "[[listener]]\nprotocol = \"pop3\"\naddress = \"127.0.0.1:2143\"\n[domains]");
    assert_eq!(mistakes_of(&twice), ["another listener has this address already"]);
}

#[test]
fn the_wrong_kind_of_table_is_told_and_does_not_stop_the_reading() {
    let text = GOOD.replace("[[listener]]", "[listener]") + "[log]\nlevel = \"inof\"\n";
    let found = mistakes_of(&text);
    assert!(found.contains(&"`listener` is not a table of this form".to_owned()), "{found:?}");
    assert!(found.iter().any(|message| message.starts_with("expected one of \"error\"")), "{found:?}");
}

#[test]
fn the_empty_file_and_junk_are_told_without_a_panic() {
    assert!(!mistakes_of("").is_empty());
    assert!(!mistakes_of("\u{0}\u{ff}[[[[\n=\n").is_empty());
    assert!(!mistakes_of("limits = 5\nnode = [1]\nlistener = [5]\nroute = 7\n").is_empty());
}

#[test]
fn a_format_of_unique_ids_that_dovecot_would_not_take_is_a_mistake() {
    let with = |format: &str| GOOD.replace("[mailboxes]", &format!("[mailboxes]\npop3_uidl_format = \"{format}\""));
    assert!(mistakes_of(&with("%f")).is_empty());
    let found = mistakes_of(&with("%m"));
    assert_eq!(found, ["`%m` is of mboxes only; for a Maildir Dovecot knows none either"]);
    assert_eq!(mistakes_of(&with("constant")), ["has no variable in it: all messages would have one unique-id"]);
}

#[test]
fn mailboxes_of_every_account_are_the_written_ones_or_the_usual_ones() {
    let auto = |tables: &str| {
        let settings = parse(Path::new("/etc/tepui.toml"), &format!("{GOOD}{tables}")).unwrap();
        let show = |mailbox: &store::AutoMailbox| {
            let special_use = mailbox.special_use.map_or("", store::SpecialUse::attribute);
            format!("{} {} {special_use}", mailbox.name, mailbox.subscribe)
        };
        settings.mailboxes.auto.iter().map(show).collect::<Vec<_>>()
    };
    assert_eq!(auto("").len(), 5);
    let written = "[[mailbox]]\nname = \"inbox\"\nauto = \"create\"\n[[mailbox]]\nname = \"Sent Messages\"\nspecial_use = \"Sent\"";
    assert_eq!(auto(written), ["INBOX false ", "Sent Messages true \\Sent"]);
    for (name, expected) in [
        ("a//b", "mailbox name begins or ends with the hierarchy separator, or has two in a row"),
        ("a.b", "Character not allowed in mailbox name: '.'"),
        ("Sent Messages", "this mailbox is there already"),
    ] {
        let found = mistakes_of(&format!("{GOOD}{written}\n[[mailbox]]\nname = \"{name}\""));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains(expected), "{found:?}");
    }
}

#[test]
fn others_mailboxes_are_below_a_name_and_their_owners() {
    let shared = |rest: &str| format!("{GOOD}[shared]\ndictionary = \"shared.db\"\n{rest}");
    let settings = parse(Path::new("/etc/tepui.toml"), &shared("prefix = \"user/shared/%u/\"")).unwrap();
    assert_eq!(settings.shared.unwrap().dictionary, Path::new("/etc/shared.db"));
    let roots: Vec<_> =
        settings.namespaces.all.iter().map(|space| space.root.as_ref().map(MailboxName::as_str)).collect();
    assert_eq!(roots, [None, Some("user/shared")]);
    for bad in ["shared/", "%u/", "/%u/", "shared/%n/", "shared/%u", "a//%u/"] {
        let found = mistakes_of(&shared(&format!("prefix = \"{bad}\"")));
        assert_eq!(found, ["this cannot be where others' mailboxes are"], "{bad}");
    }
    assert_eq!(mistakes_of(&shared("prefix = \"INBOX/%u/\"")), ["INBOX is every user's own"]);
    assert_eq!(parse(Path::new("/etc/tepui.toml"), GOOD).unwrap().shared, None);
    assert_eq!(mistakes_of(&format!("{GOOD}[shared]\n")), ["`dictionary` is missing"]);
}

#[test]
fn namespaces_have_one_separator_one_listed_private_one_and_names_of_their_own() {
    let private = "[[namespace]]\ntype = \"private\"\nprefix = \"INBOX.\"\nseparator = \".\"\n";
    let public = "[[namespace]]\ntype = \"public\"\nprefix = \"public.\"\nseparator = \".\"\nlocation = \"maildir:/srv/public:LAYOUT=fs\"\n";
    let old = "[[namespace]]\ntype = \"private\"\nseparator = \".\"\nhidden = \"yes\"\n";
    let settings = parse(Path::new("/etc/tepui.toml"), &format!("{GOOD}{public}{old}{private}")).unwrap();
    let show = |space: &Namespace| (space.kind, space.root.as_ref().map(MailboxName::to_string), space.list);
    assert_eq!(settings.namespaces.separator, Separator::Dot);
    assert_eq!(
        settings.namespaces.all.iter().map(show).collect::<Vec<_>>(),
        [
            (NamespaceKind::Private, Some("INBOX".to_owned()), InList::Yes),
            (NamespaceKind::Private, None, InList::Named),
            (NamespaceKind::Public(0), Some("public".to_owned()), InList::Yes),
        ]
    );
    assert_eq!(settings.public.len(), 1);
    let shared = "[shared]\ndictionary = \"shared.db\"\n";
    let more = "[[namespace]]\ntype = \"shared\"\nprefix = \"user/%u/\"\n";
    for (written, expected) in [
        (format!("{private}{}", public.replace("separator = \".\"", "")), "all namespaces have one separator"),
        (private.replace("INBOX.", "INBOX"), "a prefix ends with the separator ."),
        (private.replace("INBOX.", "%u."), "there are no variables in this prefix"),
        (
            private.replace("INBOX.", "a..b."),
            "mailbox name begins or ends with the hierarchy separator, or has two in a row",
        ),
        (private.repeat(2).replacen("INBOX", "Mail", 1), "a user's own mailboxes are in one namespace"),
        (format!("{private}hidden = \"yes\"\n"), "one namespace of users' own mailboxes must not be hidden"),
        (format!("{private}list = \"no\"\n"), "a user's own mailboxes are always listed"),
        (format!("{private}location = \"maildir:~/x\"\n"), "only public mailboxes have a `location` of their own"),
        (public.replace("/srv/public", "~/public"), "public mailboxes lie at one place for all users"),
        (public.replace("location", "#"), "public mailboxes need a `location`"),
        (public.replace("prefix", "#"), "public mailboxes need a `prefix`"),
        (public.replace("public.", "INBOX.x."), "INBOX is every user's own"),
        (format!("{public}{public}"), "another namespace has these names already"),
        (format!("{private}{shared}"), "others' mailboxes need the separator /"),
        (more.to_owned(), "others' mailboxes need [shared]"),
        (
            format!("{shared}{more}{}", more.replace("user/", "shared/ana/")),
            "another namespace has these names already",
        ),
    ] {
        assert_eq!(mistakes_of(&format!("{GOOD}{written}")), [expected], "{written}");
    }
    assert!(parse(Path::new("/etc/tepui.toml"), &format!("{GOOD}{shared}{more}")).is_ok());
}

#[test]
fn the_reference_page_is_made_from_the_schema() {
    let page = include_str!("../../../../docs/reference/configuration.md");
    assert!(page == reference::markdown(), "run `cargo run -- check --reference > docs/reference/configuration.md`");
}

#[test]
fn mistakes_within_texts_of_an_ldap_directory_are_told_at_their_places() {
    let ldap = r#"
[[ldap]]
servers = ["ldap://dc1.example.test", "http://dc2"]
base = "dc=example,dc=test"
bind_dn = "cn=mail"
login_filter = "(uid=%n"
group_filter = "mail=%s)"
attributes = "uid=home=/mail/%Q$"
"#;
    let bad = parse(Path::new("tepui.toml"), &(GOOD.to_owned() + ldap)).unwrap_err();
    for expected in ["http://dc2: ", "`bind_dn` needs `bind_password_file`", "--> tepui.toml:30:14"] {
        assert!(bad.report.contains(expected), "{expected} is not in\n{}", bad.report);
    }
    let bad = parse(Path::new("tepui.toml"), &(GOOD.to_owned() + &ldap.replace("%Q$", "%n"))).unwrap_err();
    assert_eq!(bad.report.matches("this is no LDAP filter").count(), 2, "{}", bad.report);
    let masters = ldap.replace("%Q$", "%n") + "master_accounts = \"(mail=*)\"\n";
    let bad = parse(Path::new("tepui.toml"), &(GOOD.to_owned() + &masters)).unwrap_err();
    assert!(bad.report.contains("there are no master users"), "{}", bad.report);
    let none = GOOD.replace("password_file", "#password_file");
    assert_eq!(mistakes_of(&none), ["nobody can log in: there is no directory"]);
}

#[test]
fn a_trusted_network_holds_on_listeners_that_are_there_and_nowhere_by_mistake() {
    let trusted = |listeners: &str| {
        format!("{GOOD}\n[[trusted]]\nnetworks = [\"10.0.0.0/8\", \"10.0.0.0/33\"]\nlisteners = {listeners}\n")
    };
    assert_eq!(
        mistakes_of(&trusted("[\"webmail\"]")),
        ["`10.0.0.0/33` is not a network", "no listener has the name `webmail`"]
    );
    assert_eq!(
        mistakes_of(&trusted("[]")),
        ["`10.0.0.0/33` is not a network", "expected at least one of the listeners"]
    );
    let missing = GOOD.to_owned() + "\n[[trusted]]\nnetworks = [\"::1\"]\n";
    assert_eq!(mistakes_of(&missing), ["`listeners` is missing"]);
}

#[test]
fn whole_homes_from_a_directory_need_the_folders_in_which_they_lie() {
    let ldap = r#"
[[ldap]]
servers = ["ldap://dc1.example.test"]
base = "dc=example,dc=test"
login_filter = "(uid=%n)"
attributes = "homeDirectory=home"
"#;
    let with = |roots: &str| GOOD.replace("home = ", &format!("{roots}\nhome = ")) + ldap;
    assert!(mistakes_of(&with(""))[0].contains("write `home_roots` in [mailboxes]"));
    assert_eq!(mistakes_of(&with("home_roots = [\"/home\"]")), Vec::<String>::new());
    assert_eq!(mistakes_of(&with("home_roots = [\"/home\", \"home\"]")), ["expected a whole path without `..`"]);
    let template = with("home_roots = [\"/home\"]").replace("homeDirectory=home", "uid=home=/srv/%n");
    assert!(mistakes_of(&template)[0].contains("outside of every folder"));
}

#[test]
fn the_files_for_deployment_are_good() {
    for (name, text) in [
        ("mailbox.toml", include_str!("../../../../deploy/mailbox.toml")),
        ("outgoing.toml", include_str!("../../../../deploy/outgoing.toml")),
    ] {
        parse(Path::new(name), text).unwrap_or_else(|bad| panic!("{bad}"));
    }
}

#[test]
fn nodes_that_cannot_hear_each_other_are_a_mistake() {
    let hints = |listen: &str, peers: &str| {
        format!("{GOOD}\n[hints]\nlisten = \"{listen}\"\npeers = {peers}\nsecret_file = \"hints.secret\"\n")
    };
    let good = parse(Path::new("/etc/tepui/tepui.toml"), &hints("192.0.2.1:24", "[\"192.0.2.2:24\"]")).unwrap();
    let settings = good.hints.unwrap();
    assert_eq!(settings.peers, ["192.0.2.2:24".parse().unwrap()]);
    assert_eq!(settings.secret_file, Path::new("/etc/tepui/hints.secret"));
    let place = "expected an IP address and a port";
    assert_eq!(mistakes_of(&hints("node1:24", "[\"192.0.2.2\", \"192.0.2.2:0\"]")), [place; 3]);
    assert_eq!(mistakes_of(&hints("[::1]:24", "[\"192.0.2.2:24\"]")), ["hints cannot get there from `listen`"]);
    let peers = format!("[{}]", "\"192.0.2.2:24\",".repeat(65));
    assert_eq!(mistakes_of(&hints("192.0.2.1:24", &peers)), ["more than 64 peers"]);
    assert_eq!(mistakes_of(&format!("{GOOD}\n[hints]\n")).len(), 3);
    let busy = GOOD.replace("[mailboxes]", "[mailboxes]\npoll = \"99ms\"");
    assert_eq!(mistakes_of(&busy), ["expected at least \"100ms\""]);
}

#[test]
fn who_may_relay_is_a_sentence_and_spare_recipients_are_addresses() {
    let more = "postmaster = \"ana@example.test\"\ncatch_all = [\"@example.test bob@example.test\"]\n";
    let relay = "[relay]\npolicy = \"permit networks, defer others\"\nnetworks = [\"192.0.2.0/24\"]\n[smtp]\nconnections = 10\n";
    let text = GOOD.replace("[[route]]", &format!("{more}{relay}[[route]]"));
    let settings = parse(Path::new("/etc/tepui.toml"), &text).unwrap();
    assert_eq!(settings.relay.others, Others::Defer);
    assert_eq!(settings.smtp.limits.connections, 10);
    // As in Postfix, whose own networks are not counted.
    assert!(settings.smtp.limits.is_exempt("192.0.2.9".parse().unwrap()));
    let bad = text
        .replace("defer others", "defer")
        .replace("ana@example.test", "ana")
        .replace("@example.test bob", "example.test bob")
        .replace("192.0.2.0/24", "192.0.2.0/x");
    let mistakes = mistakes_of(&bad.replace("protocol = \"imap\"", "protocol = \"imap\"\nauth = \"offered\""));
    assert_eq!(
        mistakes,
        [
            "`auth` is for smtp and submission, not for imap",
            "`ana` is not an address",
            "`example.test bob@example.test` says not whose mail goes to whom",
            "`defer` is no clause of a policy",
            "`192.0.2.0/x` is not a network",
        ]
    );
}
