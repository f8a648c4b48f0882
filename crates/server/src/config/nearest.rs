//! The known word that a mistyped one was probably meant to be.

/// The nearest of the known words, unless none is near enough to be a likely slip: a third of its letters, at least one.
pub fn nearest<'a>(typed: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|word| (distance(typed, word), word))
        .filter(|(distance, word)| *distance <= (word.len().max(typed.len()) / 3).max(1))
        .min()
        .map(|(_, word)| word)
}

/// Edits (insert, drop, replace, swap two neighbours) between two words: optimal string alignment.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replace = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replace.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_word_and_nonsense_finds_none() {
        let known = ["message_size", "recipients", "line"];
        assert_eq!(nearest("mesage_sise", known.into_iter()), Some("message_size"));
        assert_eq!(nearest("lien", known.into_iter()), Some("line"));
        assert_eq!(nearest("banana", known.into_iter()), None);
    }
}
