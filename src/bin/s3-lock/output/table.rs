//! Tables whose columns stand one below the other.

use crate::output::text::{cut, width};

/// A column of a table.
pub struct Column {
    pub head: &'static str,
    /// The columns of the terminal that its cells may take; longer ones are cut.
    pub most: usize,
}

/// The table in lines, under a line of heads. The last column is cut to what is left of `columns`, but not below
/// the width of its head and some words.
pub fn table<const N: usize>(heads: &[Column; N], rows: &[[String; N]], columns: usize) -> String {
    const GAP: usize = 2;
    const SOME_WORDS: usize = 12;
    let mut widths = [0; N];
    for (at, head) in heads.iter().enumerate() {
        let cells = rows.iter().map(|row| width(&row[at]));
        widths[at] = cells.max().unwrap_or(0).min(head.most).max(head.head.len());
    }
    let before: usize = widths[..N - 1].iter().map(|width| width + GAP).sum();
    widths[N - 1] = widths[N - 1].min(columns.saturating_sub(before).max(SOME_WORDS));
    let line = |cells: [&str; N]| {
        let mut line = String::new();
        for (cell, most) in cells.iter().zip(&widths) {
            let cell = cut(cell, *most);
            let rest = most + GAP - width(&cell);
            line.push_str(&cell);
            line.push_str(&" ".repeat(rest));
        }
        format!("{}\n", line.trim_end())
    };
    let head = line(std::array::from_fn(|at| heads[at].head));
    let rows = rows.iter();
    let rows = rows.map(|row| line(std::array::from_fn(|at| row[at].as_str())));
    std::iter::once(head).chain(rows).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADS: [Column; 3] = [
        Column {
            head: "NAME",
            most: usize::MAX,
        },
        Column {
            head: "OWNER",
            most: 8,
        },
        Column {
            head: "PURPOSE",
            most: usize::MAX,
        },
    ];

    fn row(cells: [&str; 3]) -> [String; 3] {
        cells.map(str::to_owned)
    }

    #[test]
    fn columns_stand_below_each_other_whatever_their_characters() {
        let rows = [row(["a", "me", "-"]), row(["報告", "web-3", "report"])];
        assert_eq!(
            table(&HEADS, &rows, 80),
            "NAME  OWNER  PURPOSE\na     me     -\n報告  web-3  report\n"
        );
    }

    #[test]
    fn a_cell_that_is_too_long_is_cut() {
        let rows = [row(["a", "web-3.example.com", "-"])];
        assert_eq!(
            table(&HEADS, &rows, 80),
            "NAME  OWNER     PURPOSE\na     web-3.e…  -\n"
        );
    }

    #[test]
    fn the_last_column_is_cut_to_the_width_of_the_screen() {
        let purpose = "the report that is made each night";
        let rows = [row(["nightly", "me", purpose])];
        let text = table(&HEADS, &rows, 40);
        let widths: Vec<_> = text.lines().map(width).collect();
        assert_eq!(widths[1], 40, "{text}");
    }

    #[test]
    fn the_last_column_keeps_some_words_where_the_others_are_wide() {
        let rows = [row(["nightly", "me", "the report that is made"])];
        let text = table(&HEADS, &rows, 10);
        assert!(text.contains("the report …"), "{text}");
    }
}
