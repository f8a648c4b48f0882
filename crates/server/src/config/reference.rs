//! The reference of all options, made from the schema.

use std::fmt::Write;

use super::schema::{Row, TABLES, Table};
use super::written::expected;

/// The Markdown of `docs/reference/configuration.md`.
pub fn markdown() -> String {
    let mut page = String::from(
        "# Configuration reference\n\nMade from the program's own table by `tepui check --reference`; do not edit. \
         The file is TOML. Relative paths are meant from the file's folder.\n",
    );
    for table in TABLES {
        section(&mut page, table);
    }
    page
}

fn section(page: &mut String, table: &Table) {
    let header = if table.repeats { format!("[[{}]]", table.name) } else { format!("[{}]", table.name) };
    let _ = write!(
        page,
        "\n## `{header}`\n\n{}\n\n| option | value | default | meaning |\n| --- | --- | --- | --- |\n",
        table.sentence
    );
    for row in table.rows {
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} |",
            row.key,
            expected(row.kind).replace('|', "\\|"),
            default(row),
            row.sentence
        );
    }
}

fn default(row: &Row) -> String {
    match row.default {
        Some(default) => format!("`{default}`"),
        None if row.required => "must be written".to_owned(),
        None => "none".to_owned(),
    }
}
