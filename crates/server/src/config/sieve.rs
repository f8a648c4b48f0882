//! `[sieve]`: from its texts to settings.

use std::path::Path;

use store::ScriptBounds;

use super::settings::SieveSettings;
use super::written::Written;

/// Reads the table.
pub fn settle(written: &Written, folder: &Path) -> SieveSettings {
    let table = written.table("sieve").unwrap_or_else(|| panic!("the schema has no table `sieve`"));
    let bounds = ScriptBounds {
        size_max: table.size("script_size"),
        scripts_max: table.number("scripts"),
        storage_max: table.size("scripts_size"),
    };
    let files = |key| table.texts(key).iter().map(|(path, _)| folder.join(path)).collect();
    SieveSettings {
        bounds,
        redirects_max: u32::try_from(table.number("redirects")).unwrap_or(0),
        before: files("before"),
        default: table.text("default").map(|path| folder.join(path)),
        after: files("after"),
    }
}
