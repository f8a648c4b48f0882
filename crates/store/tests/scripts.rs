//! Sieve scripts: what one may do with them, what Pigeonhole finds afterwards, and the power cut at every call of each operation.

mod world;

use std::path::Path;
use std::time::Duration;

use disk::{Disk, Manners, MemoryDisk, Op, Survival, every_cut_from};
use mail::ScriptName;
use store::{ScriptBounds, ScriptError, Scripts};
use world::stop::Stop;
use world::{HOME, store};

fn scripts(disk: &MemoryDisk) -> Scripts {
    store(disk).scripts(Path::new(HOME))
}

fn name(name: &str) -> ScriptName {
    ScriptName::parse(name).unwrap()
}

fn put(scripts: &Scripts, name_: &str, content: &str) -> Result<(), ScriptError> {
    scripts.put(&name(name_), content.as_bytes(), &ScriptBounds::default())
}

/// The list as one line: the active one with a star.
fn list(scripts: &Scripts) -> String {
    let listed = scripts.list().unwrap();
    let word = |script: &store::ScriptListing| format!("{}{}", script.name, if script.is_active { "*" } else { "" });
    listed.iter().map(word).collect::<Vec<_>>().join(" ")
}

fn active(scripts: &Scripts) -> Option<String> {
    scripts.active().unwrap().map(|active| String::from_utf8(active.content).unwrap())
}

fn read(scripts: &Scripts, name_: &str) -> Option<String> {
    match scripts.read(&name(name_)) {
        Ok(content) => Some(String::from_utf8(content).unwrap()),
        Err(ScriptError::NotFound) => None,
        Err(error) => panic!("{error}"),
    }
}

/// A home with the scripts one (active) and two.
fn two_scripts() -> MemoryDisk {
    let disk = MemoryDisk::new();
    let scripts = scripts(&disk);
    put(&scripts, "one", "keep;").unwrap();
    put(&scripts, "two", "discard;").unwrap();
    scripts.activate(Some(&name("one"))).unwrap();
    disk
}

#[test]
fn a_home_without_scripts_has_none_and_nothing_is_made_for_the_question() {
    let disk = MemoryDisk::new();
    let scripts = scripts(&disk);
    assert_eq!((list(&scripts), active(&scripts)), (String::new(), None));
    assert!(disk.kind(Path::new(HOME)).is_err());
}

#[test]
fn scripts_are_put_activated_renamed_and_deleted() {
    let disk = two_scripts();
    let scripts = scripts(&disk);
    assert_eq!((list(&scripts).as_str(), active(&scripts).as_deref()), ("one* two", Some("keep;")));
    put(&scripts, "one", "stop;").unwrap();
    assert_eq!(active(&scripts).as_deref(), Some("stop;"));
    assert!(matches!(scripts.delete(&name("one")), Err(ScriptError::Active)));
    assert!(matches!(scripts.rename(&name("one"), &name("two")), Err(ScriptError::Exists)));
    assert!(matches!(scripts.rename(&name("none"), &name("more")), Err(ScriptError::NotFound)));
    scripts.rename(&name("one"), &name("three")).unwrap();
    assert_eq!((list(&scripts).as_str(), active(&scripts).as_deref()), ("three* two", Some("stop;")));
    scripts.activate(None).unwrap();
    assert_eq!((list(&scripts).as_str(), active(&scripts)), ("three two", None));
    scripts.delete(&name("three")).unwrap();
    assert!(matches!(scripts.delete(&name("three")), Err(ScriptError::NotFound)));
    assert!(matches!(scripts.activate(Some(&name("three"))), Err(ScriptError::NotFound)));
    assert_eq!((list(&scripts).as_str(), read(&scripts, "two").as_deref()), ("two", Some("discard;")));
}

#[test]
fn what_lies_on_disk_is_what_pigeonhole_makes() {
    let disk = two_scripts();
    let home = Path::new(HOME);
    assert_eq!(disk.read_link(&home.join(".dovecot.sieve")).unwrap(), Path::new("sieve/one.sieve"));
    let mut names: Vec<_> = disk.list(&home.join("sieve")).unwrap().into_iter().map(|entry| entry.name).collect();
    names.sort();
    assert_eq!(names, ["one.sieve", "two.sieve"]);
}

#[test]
fn links_of_others_are_understood() {
    for target in ["sieve/two.sieve".to_owned(), "./sieve/two.sieve".to_owned(), format!("{HOME}/sieve/two.sieve")] {
        let disk = two_scripts();
        let link = Path::new(HOME).join(".dovecot.sieve");
        disk.remove(&link).unwrap();
        disk.symlink(Path::new(&target), &link).unwrap();
        assert_eq!(list(&scripts(&disk)), "one two*", "{target}");
    }
    let disk = two_scripts();
    let link = Path::new(HOME).join(".dovecot.sieve");
    disk.remove(&link).unwrap();
    disk::replace(&disk, Path::new("/global.sieve"), b"stop;").unwrap();
    disk.symlink(Path::new("/global.sieve"), &link).unwrap();
    let scripts = scripts(&disk);
    assert_eq!((list(&scripts).as_str(), active(&scripts).as_deref()), ("one two", Some("stop;")));
    scripts.activate(Some(&name("two"))).unwrap();
    assert_eq!(
        (list(&scripts).as_str(), disk.read(Path::new("/global.sieve")).unwrap()),
        ("one two*", b"stop;".to_vec())
    );
}

#[test]
fn a_link_to_nothing_is_no_script() {
    let disk = two_scripts();
    disk.remove(&Path::new(HOME).join("sieve/one.sieve")).unwrap();
    let scripts = scripts(&disk);
    assert_eq!((list(&scripts).as_str(), active(&scripts)), ("two", None));
    scripts.activate(None).unwrap();
}

#[test]
fn a_file_in_the_place_of_the_link_is_run_and_kept_when_another_becomes_active() {
    let disk = two_scripts();
    let place = Path::new(HOME).join(".dovecot.sieve");
    for (round, rescued) in ["dovecot.orig", "dovecot.orig-1"].into_iter().enumerate() {
        disk.remove(&place).unwrap();
        disk::replace(&disk, &place, format!("# {round}").as_bytes()).unwrap();
        let scripts = scripts(&disk);
        assert_eq!(active(&scripts), Some(format!("# {round}")));
        scripts.activate(Some(&name("two"))).unwrap();
        assert_eq!(
            (active(&scripts).as_deref(), read(&scripts, rescued)),
            (Some("discard;"), Some(format!("# {round}")))
        );
    }
}

#[test]
fn a_folder_in_the_place_of_the_link_is_a_damage_that_is_told() {
    let disk = two_scripts();
    let place = Path::new(HOME).join(".dovecot.sieve");
    disk.remove(&place).unwrap();
    disk.create_dir(&place).unwrap();
    assert!(matches!(scripts(&disk).active(), Err(store::Error::Damaged { path, .. }) if path == place));
}

#[test]
fn quotas_count_what_is_there_without_what_is_replaced() {
    let disk = two_scripts();
    let scripts = scripts(&disk);
    let try_put =
        |name_: &str, size: usize, bounds: &ScriptBounds| scripts.put(&name(name_), &vec![b'#'; size], bounds);
    let sizes = ScriptBounds { size_max: 10, ..ScriptBounds::default() };
    assert!(matches!(try_put("big", 11, &sizes), Err(ScriptError::TooLarge { max: 10 })));
    let few = ScriptBounds { scripts_max: 2, ..ScriptBounds::default() };
    assert!(matches!(try_put("three", 1, &few), Err(ScriptError::TooMany { max: 2 })));
    try_put("two", 1, &few).unwrap();
    // `one` holds 5 octets.
    let little = ScriptBounds { storage_max: 12, ..ScriptBounds::default() };
    assert!(matches!(try_put("two", 8, &little), Err(ScriptError::NoStorage { max: 12 })));
    try_put("two", 7, &little).unwrap();
    assert!(matches!(scripts.has_space(&name("three"), 1, &little), Err(ScriptError::NoStorage { .. })));
}

#[test]
fn symbolic_links_among_the_scripts_are_not_followed() {
    let disk = two_scripts();
    disk::replace(&disk, Path::new("/secret"), b"secret").unwrap();
    disk.symlink(Path::new("/secret"), &Path::new(HOME).join("sieve/spy.sieve")).unwrap();
    let scripts = scripts(&disk);
    assert_eq!(list(&scripts), "one* two");
    assert!(scripts.read(&name("spy")).is_err() && scripts.activate(Some(&name("spy"))).is_err());
}

#[test]
fn after_a_cut_a_put_script_is_the_old_one_or_the_new_one() {
    let scenario = |disk: &MemoryDisk| -> Result<(), ScriptError> { put(&scripts(disk), "one", "stop;") };
    every_cut_from(&two_scripts(), scenario, |disk, cut| {
        let found = active(&scripts(&disk));
        let acknowledged = cut.finished;
        assert!(found.as_deref() == Some("stop;") || !acknowledged && found.as_deref() == Some("keep;"), "{found:?}");
    });
}

#[test]
fn after_a_cut_there_is_always_an_active_script() {
    let scenario = |disk: &MemoryDisk| -> Result<(), ScriptError> {
        let scripts = scripts(disk);
        scripts.activate(Some(&name("two")))?;
        scripts.rename(&name("two"), &name("three"))?;
        scripts.activate(Some(&name("one")))
    };
    every_cut_from(&two_scripts(), scenario, |disk, _| {
        let scripts = scripts(&disk);
        assert!(active(&scripts).is_some(), "{}", list(&scripts));
        // Nothing stays locked, and all can be done again.
        scripts.activate(Some(&name("one"))).unwrap();
        assert_eq!(active(&scripts).as_deref(), Some("keep;"));
        assert!(read(&scripts, "two").or(read(&scripts, "three")).is_some());
    });
}

#[test]
fn what_another_node_made_active_is_not_deleted_however_long_a_name_is_believed() {
    for seed in 0..8 {
        let server = two_scripts();
        let manners = Manners { seed, cache_max: Duration::from_secs(7200), ..Manners::default() };
        scripts(&server).activate(None).unwrap();
        let node = scripts(&server.nfs_client(manners));
        assert_eq!(list(&node), "one two");
        scripts(&server).activate(Some(&name("two"))).unwrap();
        assert!(matches!(node.delete(&name("two")), Err(ScriptError::Active)), "{seed}");
        scripts(&server).activate(Some(&name("one"))).unwrap();
        node.rename(&name("one"), &name("three")).unwrap();
        assert_eq!(active(&scripts(&server)).as_deref(), Some("keep;"), "{seed}");
    }
}

#[test]
fn a_script_is_found_that_another_node_renamed_long_before_the_name_is_asked_for_again() {
    for seed in 0..8 {
        let server = two_scripts();
        let manners = Manners { seed, cache_max: Duration::from_secs(7200), ..Manners::default() };
        let node = scripts(&server.nfs_client(manners));
        assert_eq!(active(&node).as_deref(), Some("keep;"));
        scripts(&server).rename(&name("one"), &name("three")).unwrap();
        assert_eq!(active(&node).as_deref(), Some("keep;"), "{seed}");
    }
}

#[test]
fn the_active_script_is_found_while_another_session_renames_it() {
    let disk = two_scripts();
    let owner = scripts(&disk);
    let node = Stop::before(&disk, Op::Open, "one.sieve", move || {
        owner.rename(&name("one"), &name("three")).unwrap();
    });
    assert_eq!(active(&scripts(&node)).as_deref(), Some("keep;"));
}

#[test]
fn a_link_is_durable_before_the_script_it_led_to_goes() {
    let disk = two_scripts();
    let home = Path::new(HOME);
    // Whoever moved the link has died before the folder was synced.
    disk.symlink(Path::new("sieve/two.sieve"), &home.join("moved")).unwrap();
    disk.rename(&home.join("moved"), &home.join(".dovecot.sieve")).unwrap();
    scripts(&disk).delete(&name("one")).unwrap();
    assert_eq!(active(&scripts(&disk.reboot(Survival::Nothing))).as_deref(), Some("discard;"));
}

#[test]
fn names_of_files_that_are_not_whole_yet_are_refused() {
    let disk = two_scripts();
    let scripts = scripts(&disk);
    for taken in ["tepui-scripts.tmp", "tepui-scripts.tmp.1", "tepui-duplicates.tmp-mine"] {
        assert!(matches!(put(&scripts, taken, "keep;"), Err(ScriptError::Reserved)), "{taken}");
        assert!(matches!(scripts.rename(&name("two"), &name(taken)), Err(ScriptError::Reserved)), "{taken}");
        let space = scripts.has_space(&name(taken), 1, &ScriptBounds::default());
        assert!(matches!(space, Err(ScriptError::Reserved)), "{taken}");
    }
    put(&scripts, "tepui-scripts", "keep;").unwrap();
}
