//! Columns, aligned the way Micro's tables are: each column as wide as its widest cell, filled up with tabs of
//! eight or with spaces (reference/micro-wire §4.4, §4.8).

/// What fills a cell up to its column's width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// Tabs of eight; the column is at least one wider than its widest cell.
    Tabs,
    /// Spaces: this many behind the widest cell.
    Spaces(usize),
}

/// The rows as text, each with its end of line. The last cell of a row is not filled up.
pub fn render(rows: &[Vec<String>], fill: Fill) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widest = |c: usize| {
        let cells = rows.iter().filter(|r| c + 1 < r.len()).filter_map(|r| r.get(c));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(widest).collect();
    let mut text = String::new();
    for row in rows {
        for (c, cell) in row.iter().enumerate() {
            text.push_str(cell);
            if c + 1 < row.len() {
                text.push_str(&gap(widths[c], cell.chars().count(), fill));
            }
        }
        text.push('\n');
    }
    text
}

/// The rows in a box, under a header in capitals and in the middle; numbers stand on the right (reference/micro-wire
/// §4.12).
pub fn boxed(header: &[&str], rows: &[Vec<String>]) -> String {
    let length = |text: &str| text.chars().count();
    let widest = |c: usize| {
        let cells = rows.iter().filter_map(|row| row.get(c)).map(|cell| length(cell));
        cells.max().unwrap_or(0).max(length(header[c]))
    };
    let widths: Vec<usize> = (0..header.len()).map(widest).collect();
    let border: String = widths
        .iter()
        .map(|width| format!("+{}", "-".repeat(width + 2)))
        .collect();
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let title = |(text, width): (&&str, &usize)| {
        let gap = width - length(text);
        let left = gap / 2;
        format!("{}{}{}", " ".repeat(left), text.to_uppercase(), " ".repeat(gap - left))
    };
    let cell = |(text, width): (&String, &usize)| {
        let gap = " ".repeat(width - length(text));
        match text.parse::<f64>() {
            Ok(_) => gap + text,
            Err(_) => text.clone() + &gap,
        }
    };
    let mut text = format!(
        "{border}+\n{}{border}+\n",
        line(header.iter().zip(&widths).map(title).collect())
    );
    for row in rows {
        text.push_str(&line(row.iter().zip(&widths).map(cell).collect()));
    }
    text + &border + "+\n"
}

fn gap(width: usize, used: usize, fill: Fill) -> String {
    const TAB: usize = 8;
    match fill {
        Fill::Tabs => {
            let width = (width + 1).next_multiple_of(TAB);
            "\t".repeat((width - used).div_ceil(TAB))
        }
        Fill::Spaces(padding) => " ".repeat(width + padding - used),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[&[&str]]) -> Vec<Vec<String>> {
        rows.iter()
            .map(|r| r.iter().map(|c| (*c).to_owned()).collect())
            .collect()
    }

    #[test]
    fn tabs_fill_up_to_the_next_eight() {
        let table = rows(&[
            &["NAME", "VERSION", "SOURCE", "STATUS", "BUILD", "UPDATED", "METADATA"],
            &[
                "helloworld",
                "latest",
                "github.com/micro/services/helloworld",
                "running",
                "n/a",
                "4s ago",
                "owner=admin, group=micro",
            ],
        ]);
        assert_eq!(
            render(&table, Fill::Tabs),
            "NAME\t\tVERSION\tSOURCE\t\t\t\t\tSTATUS\tBUILD\tUPDATED\tMETADATA\n\
             helloworld\tlatest\tgithub.com/micro/services/helloworld\trunning\tn/a\t4s ago\towner=admin, group=micro\n"
        );
    }

    #[test]
    fn a_box_has_its_titles_in_the_middle_and_numbers_on_the_right() {
        let table = rows(&[&["greeter", "1"], &["å", "10"]]);
        assert_eq!(
            boxed(&["service", "metric"], &table),
            "+---------+--------+\n| SERVICE | METRIC |\n+---------+--------+\n\
             | greeter |      1 |\n| å       |     10 |\n+---------+--------+\n"
        );
        assert_eq!(
            boxed(&["id"], &rows(&[&["abcde"]])),
            "+-------+\n|  ID   |\n+-------+\n| abcde |\n+-------+\n"
        );
    }

    #[test]
    fn spaces_fill_up_to_the_widest() {
        let table = rows(&[&["a", "bb", "c"], &["aaa", "b", ""]]);
        assert_eq!(render(&table, Fill::Spaces(1)), "a   bb c\naaa b  \n");
        assert_eq!(render(&[], Fill::Tabs), "");
    }
}
