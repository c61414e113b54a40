//! What somebody probably meant.

/// The word of `known` that `word` is nearest to, if it is near enough to be a slip.
pub(crate) fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let word = word.to_ascii_lowercase();
    let slips = (word.len() / 4).max(1);
    let near = known.iter().copied().filter(|name| name.len().abs_diff(word.len()) <= slips);
    let distances = near.map(|name| (strsim::osa_distance(&word, &name.to_ascii_lowercase()), name));
    distances.filter(|(distance, _)| *distance <= slips).min().map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_slip_is_near() {
        let known = ["pre", "post", "response", "goplugin"];
        assert_eq!(nearest("pots", &known), Some("post"));
        assert_eq!(nearest("GoPlugin", &known), Some("goplugin"));
        assert_eq!(nearest("go-plugin", &known), Some("goplugin"));
        assert_eq!(nearest("prefix", &known), None);
        assert_eq!(nearest("", &known), None);
    }
}
