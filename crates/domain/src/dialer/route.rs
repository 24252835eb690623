//! Which trunk takes a destination: the longest matching prefix, then the order of the list.

/// The position in `trunks` (each a list of prefixes, empty = any) that takes `national`.
pub fn trunk_for<'a, P>(trunks: impl IntoIterator<Item = P>, national: &str) -> Option<usize>
where
    P: IntoIterator<Item = &'a str>,
{
    let mut best: Option<(usize, usize)> = None;
    for (position, prefixes) in trunks.into_iter().enumerate() {
        let Some(length) = longest_match(prefixes, national) else { continue };
        if best.is_none_or(|(_, longest)| length > longest) {
            best = Some((position, length));
        }
    }
    best.map(|(position, _)| position)
}

/// The length of the longest prefix that matches; 0 when the list is empty and takes all.
fn longest_match<'a>(prefixes: impl IntoIterator<Item = &'a str>, national: &str) -> Option<usize> {
    let mut none_given = true;
    let mut longest = None;
    for prefix in prefixes {
        none_given = false;
        if national.starts_with(prefix) {
            longest = longest.max(Some(prefix.len()));
        }
    }
    if none_given { Some(0) } else { longest }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_wins_and_ties_keep_the_order() {
        let trunks: [&[&str]; 4] = [&["021"], &[], &["0912", "09"], &["09"]];
        let pick = |number| trunk_for(trunks.iter().map(|t| t.iter().copied()), number);
        assert_eq!(pick("02112345678"), Some(0));
        assert_eq!(pick("09121234567"), Some(2));
        assert_eq!(pick("09351234567"), Some(2));
        assert_eq!(pick("05131234567"), Some(1));
    }

    #[test]
    fn no_trunk_takes_a_number_outside_its_prefixes() {
        assert_eq!(trunk_for([["021"]], "0912"), None);
    }
}
