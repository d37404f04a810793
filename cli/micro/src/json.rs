//! JSON that passes through: checked and indented without being parsed into values, so that numbers and the
//! order of keys stay as the service wrote them.

use serde::de::IgnoredAny;

/// Whether the text is one JSON value; if not, where it stops being one.
pub fn check(text: &str) -> Result<(), serde_json::Error> {
    serde_json::from_str::<IgnoredAny>(text).map(|_| ())
}

/// The same value with one entry a line, indented by tabs, as Micro prints answers.
pub fn indent(text: &str) -> Result<String, serde_json::Error> {
    check(text)?;
    let mut out = String::with_capacity(text.len() * 2);
    let mut depth = 0_usize;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' => copy_string(&mut chars, &mut out),
            '{' | '[' => {
                out.push(c);
                while chars.next_if(|c| c.is_ascii_whitespace()).is_some() {}
                if let Some(close) = chars.next_if(|c| matches!(c, '}' | ']')) {
                    out.push(close);
                } else {
                    depth += 1;
                    new_line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                new_line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            c if c.is_ascii_whitespace() => {}
            c => out.push(c),
        }
    }
    Ok(out)
}

fn new_line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n('\t', depth));
}

fn copy_string(chars: &mut impl Iterator<Item = char>, out: &mut String) {
    out.push('"');
    while let Some(c) = chars.next() {
        out.push(c);
        match c {
            '\\' => out.extend(chars.next()),
            '"' => return,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_indented_by_tabs() {
        let text = indent(r#"{"a": [1,2.50,{}], "b":{ },"c":"x: {\"y\", \\","d":[]}"#).expect("valid");
        assert_eq!(
            text,
            "{\n\t\"a\": [\n\t\t1,\n\t\t2.50,\n\t\t{}\n\t],\n\t\"b\": {},\n\t\"c\": \"x: {\\\"y\\\", \\\\\",\n\t\"d\": []\n}"
        );
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for bad in ["", "{", "{}{}", "nope", "{'a':1}"] {
            assert!(indent(bad).is_err(), "{bad}");
        }
        assert_eq!(
            indent("12345678901234567890").expect("a number"),
            "12345678901234567890"
        );
    }
}
