//! Cuts a file into statements: semicolons inside quotes, dollar quotes and comments do not count.

/// The statements of a file, without those that are only space and comments.
pub(super) fn statements(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut start, mut at) = (0, 0);
    while at < text.len() {
        let rest = &text[at..];
        at += match rest.as_bytes()[0] {
            b';' => {
                found.push(&text[start..at]);
                start = at + 1;
                1
            }
            b'\'' => quoted(rest, "'"),
            b'"' => quoted(rest, "\""),
            b'-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            b'$' => match dollar_tag(rest) {
                Some(tag) => quoted(rest, tag),
                None => 1,
            },
            _ => rest.chars().next().map_or(1, char::len_utf8),
        };
    }
    found.push(&text[start..]);
    found.retain(|statement| {
        statement
            .lines()
            .any(|line| !line.trim().is_empty() && !line.trim().starts_with("--"))
    });
    found
}

/// The length of what starts and ends with `mark`. A doubled quote starts the next quoted piece at once.
fn quoted(rest: &str, mark: &str) -> usize {
    rest[mark.len()..]
        .find(mark)
        .map_or(rest.len(), |end| end + 2 * mark.len())
}

/// `$$` or `$body$`, if that is how it starts. `$1` is a parameter.
fn dollar_tag(rest: &str) -> Option<&str> {
    let end = rest[1..].find('$')? + 2;
    rest[1..end - 1]
        .chars()
        .all(|c| c.is_ascii_alphabetic() || c == '_')
        .then(|| &rest[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_statements_own_end_counts() {
        let text = "-- a; comment\nselect ';', \"a;b\" ; \n\ncreate function f() as $$ begin; end; $$;\n-- the end;\n";
        let found: Vec<&str> = statements(text).into_iter().map(str::trim).collect();
        assert_eq!(
            found,
            [
                "-- a; comment\nselect ';', \"a;b\"",
                "create function f() as $$ begin; end; $$"
            ]
        );
    }

    #[test]
    fn a_last_statement_needs_no_semicolon() {
        assert_eq!(statements("select $1 || 'it''s; é'"), ["select $1 || 'it''s; é'"]);
    }
}
