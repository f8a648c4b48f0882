//! Mistakes as a person reads them: file, line, column, the line itself, and help.

use std::path::Path;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::Mistake;

/// All mistakes, each with the line it is in.
pub fn render(file: &Path, text: &str, mistakes: &[Mistake]) -> String {
    let path = file.display().to_string();
    let renderer = Renderer::plain();
    let mut report: String =
        mistakes.iter().map(|mistake| renderer.render(&[group(&path, text, mistake)]) + "\n\n").collect();
    let count = if mistakes.len() == 1 { "1 mistake".to_owned() } else { format!("{} mistakes", mistakes.len()) };
    report.push_str(&format!("{path}: {count}, nothing was started\n"));
    report
}

fn group<'a>(path: &'a str, text: &'a str, mistake: &'a Mistake) -> Group<'a> {
    let title = Level::ERROR.primary_title(&mistake.message);
    let mut group = match &mistake.span {
        Some(span) => title
            .element(Snippet::source(text).path(path).annotation(AnnotationKind::Primary.span(first_line(text, span)))),
        None => Group::with_title(title),
    };
    if let Some(help) = &mistake.help {
        group = group.element(Level::HELP.message(help));
    }
    group
}

/// A table's span covers all its lines; its first line is what the reader wants to see.
fn first_line(text: &str, span: &std::ops::Range<usize>) -> std::ops::Range<usize> {
    let start = span.start.min(text.len());
    let end = span.end.clamp(start, text.len());
    let line_end = text.get(start..end).and_then(|part| part.find('\n')).map_or(end, |length| start + length);
    start..line_end
}
