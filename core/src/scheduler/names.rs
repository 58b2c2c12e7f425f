//! Names in the order people expect.

use std::cmp::Ordering;

/// Digits count by their number, letters without case.
pub fn by_name(a: &str, b: &str) -> Ordering {
    let (mut a_rest, mut b_rest) = (a, b);
    loop {
        let (a_run, b_run) = (digits(a_rest), digits(b_rest));
        if !a_run.is_empty() && !b_run.is_empty() {
            let (x, y) = (a_run.trim_start_matches('0'), b_run.trim_start_matches('0'));
            let order = x.len().cmp(&y.len()).then_with(|| x.cmp(y));
            if order.is_ne() {
                return order;
            }
            (a_rest, b_rest) = (&a_rest[a_run.len()..], &b_rest[b_run.len()..]);
            continue;
        }
        let next = |rest: &str| rest.chars().next().map(|c| (c.to_ascii_lowercase(), c.len_utf8()));
        match (next(a_rest), next(b_rest)) {
            (None, None) => return a.cmp(b),
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some((x, x_len)), Some((y, y_len))) => {
                if x != y {
                    return x.cmp(&y);
                }
                (a_rest, b_rest) = (&a_rest[x_len..], &b_rest[y_len..]);
            }
        }
    }
}

fn digits(text: &str) -> &str {
    &text[..text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len())]
}

#[cfg(test)]
mod tests {
    use super::by_name;

    #[test]
    fn names_sort_by_number() {
        let mut names = ["node10", "node9", "Node1", "node1a", "node01"];
        names.sort_by(|a, b| by_name(a, b));
        assert_eq!(names, ["Node1", "node01", "node1a", "node9", "node10"]);
    }
}
