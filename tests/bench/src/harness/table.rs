//! Columns for people.

/// The columns under each other; numbers are short enough to be read as they are.
pub fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let pad = " ".repeat(width - cell.chars().count() + 2);
            line.push_str(cell);
            line.push_str(&pad);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Three significant digits or so.
pub fn number(value: f64) -> String {
    let size = value.abs();
    match size {
        _ if size >= 10_000.0 => format!("{:.0}k", value / 1_000.0),
        _ if size >= 100.0 => format!("{value:.0}"),
        _ if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_each_other() {
        let rows = [["a".to_owned(), "µs".to_owned()], ["long".to_owned(), String::new()]];
        assert_eq!(aligned(&rows), "a     µs\nlong\n");
    }

    #[test]
    fn numbers_are_short() {
        let short = [0.5, 14.25, 873.4, 9_999.0, 81_234.0].map(number);
        assert_eq!(short, ["0.50", "14.2", "873", "9999", "81k"]);
    }
}
