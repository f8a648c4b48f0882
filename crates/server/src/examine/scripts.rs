//! The platform's own Sieve scripts: those that run for everybody, and those that others may include.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::config::SieveSettings;
use crate::filter::{self, Verdict};

use super::{Examined, ExaminedStep};

/// Compiles each, in the order in which they run; those of the folder after them, by their names.
pub fn of_the_platform(settings: &SieveSettings) -> Vec<Examined> {
    let SieveSettings { before, default, after, global, .. } = settings;
    let mut examined: Vec<Examined> =
        before.iter().chain(default).chain(after).map(|file| script(settings, file)).collect();
    if let Some(folder) = global {
        match scripts_in(folder) {
            Ok(files) => examined.extend(files.iter().map(|file| script(settings, file))),
            Err(error) => {
                let step = ExaminedStep::failed("read", error, "make the folder, readable for this user");
                examined.push(Examined { what: folder.display().to_string(), steps: vec![step] });
            }
        }
    }
    examined
}

fn scripts_in(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension() == Some(OsStr::new("sieve")) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn script(settings: &SieveSettings, file: &Path) -> Examined {
    let step = match std::fs::read(file) {
        Err(error) => ExaminedStep::failed("read", error, "put it there, readable for this user"),
        Ok(content) => match filter::check(settings, None, &content) {
            Verdict::Good => ExaminedStep { step: "script", good: true, said: "good".to_owned(), advice: None },
            Verdict::Warned(warnings) => {
                ExaminedStep { step: "script", good: true, said: on_one_line(&warnings), advice: None }
            }
            Verdict::Faulty(errors) => ExaminedStep::failed("script", on_one_line(&errors), "correct these lines"),
        },
    };
    Examined { what: file.display().to_string(), steps: vec![step] }
}

fn on_one_line(lines: &str) -> String {
    lines.lines().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_script_is_looked_at_and_what_is_wrong_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for (name, text) in [("b.sieve", "keep;"), ("a.sieve", "kep;"), ("note.txt", "none")] {
            std::fs::write(path(name), text).unwrap();
        }
        let settings = SieveSettings {
            before: vec![path("b.sieve"), path("none.sieve")],
            global: Some(folder.path().to_owned()),
            ..SieveSettings::default()
        };
        let examined = of_the_platform(&settings);
        let good: Vec<bool> = examined.iter().map(Examined::is_good).collect();
        assert_eq!(good, [true, false, false, true]);
        assert!(examined[2].steps[0].said.contains("line 1: error"), "{examined:?}");
    }
}
