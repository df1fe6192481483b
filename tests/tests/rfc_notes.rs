//! The notes in `rfc-notes/` are held to what they say: each file and each test that a row names
//! exists, and no MUST that concerns a host or a correspondent is left out. So is SPECIFICATION.md.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use tests::bench::LINES;

/// The rows with MUST or MUST NOT of RFC 6740, 6741, 6743 and 6744 that concern hosts, and of RFC
/// 6742.
const REQUIRED: &[&str] = &[
    "ID-03", "ID-04", "ID-10", "ID-11", "ID-13", "LOC-07", "TR-01", "TR-02", "TR-03", "TR-12",
    "TR-13", "CC-15", "CC-16", "SS-04", "SS-05", "SS-08", "SS-12", "NO-02", "NO-03", "NO-09",
    "NO-11", "NO-12", "NO-15", "NO-16", "NO-17", "NO-19", "NO-22", "LU-03", "LU-04", "LU-06",
    "LU-07", "LU-08", "LU-09", "LU-11", "LU-12", "LU-13", "LU-14", "LU-16", "LU-20", "LU-22",
    "LU-23", "IC-01", "IC-02", "IC-03", "IC-13", "IC-14", "SEC-01", "SEC-02", "SEC-04", "SEC-08",
    "SEC-10", "SEC-12", "MC-04", "DN-04", "DN-05", "DN-06", "DN-07", "DN-08", "DN-09", "DN-10",
    "DN-21",
];

const NOTES: &[&str] = &[
    "rfc6740.md",
    "rfc6741.md",
    "rfc6742.md",
    "rfc6743.md",
    "rfc6744.md",
    "rfc6748.md",
];

/// `| id | section | level | requirement | code | tests |`
struct Row {
    note: &'static str,
    code: String,
    tests: String,
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn rows() -> BTreeMap<String, Row> {
    let mut rows = BTreeMap::new();
    for &note in NOTES {
        let path = repository().join("rfc-notes").join(note);
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{note}: {error}"));
        for line in text.lines().filter(|line| is_row(line)) {
            let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
            let [id, _section, _level, _requirement, code, tests] = cells[..] else {
                panic!("{note}: not six cells: {line}");
            };
            let row = Row {
                note,
                code: code.to_owned(),
                tests: tests.to_owned(),
            };
            assert!(
                rows.insert(id.to_owned(), row).is_none(),
                "{note}: {id} stands twice"
            );
        }
    }
    rows
}

/// Whether a line of a table starts with an identifier such as `LU-09`.
fn is_row(line: &str) -> bool {
    line.strip_prefix("| ")
        .and_then(|rest| rest.split_once(" |"))
        .and_then(|(id, _)| id.split_once('-'))
        .is_some_and(|(area, number)| {
            area.chars().all(|c| c.is_ascii_uppercase())
                && !number.is_empty()
                && number.chars().all(|c| c.is_ascii_digit())
        })
}

/// What stands between backticks.
fn references(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// Whether the file has a test function of this name, or a property of it.
fn has_test(source: &str, name: &str) -> bool {
    let declaration = format!("fn {name}(");
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    lines.iter().enumerate().any(|(number, line)| {
        line.trim_start_matches("async ").starts_with(&declaration)
            && lines[..number]
                .iter()
                .rev()
                .take_while(|line| line.starts_with(['#', '/']))
                .any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"))
    })
}

#[test]
fn no_requirement_is_left_out() {
    let rows = rows();
    let missing: Vec<_> = REQUIRED
        .iter()
        .filter(|id| !rows.contains_key(**id))
        .collect();
    assert!(missing.is_empty(), "no row for {missing:?}");
}

#[test]
fn files_that_are_named_exist() {
    for (id, row) in rows() {
        let files: Vec<_> = references(&row.code).collect();
        assert!(
            !files.is_empty() || row.code == "-",
            "{}: {id} names no code and no \"-\"",
            row.note
        );
        for file in files {
            assert!(
                repository().join(file).exists(),
                "{}: {id} names {file}, which does not exist",
                row.note
            );
        }
    }
}

#[test]
fn tests_that_are_named_exist() {
    for (id, row) in rows() {
        let tests: Vec<_> = references(&row.tests).collect();
        assert!(
            !tests.is_empty()
                || ["not yet", "no, because", "nothing to test"]
                    .iter()
                    .any(|start| row.tests.starts_with(start)),
            "{}: {id} names no test and does not say why",
            row.note
        );
        for test in tests {
            assert_test_exists(test, &format!("{}: {id}", row.note));
        }
    }
}

#[test]
fn promises_name_tests_that_exist_and_lines_that_are_measured() {
    let text = fs::read_to_string(repository().join("SPECIFICATION.md")).unwrap();
    for line in text.lines().filter(|line| is_row(line)) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [number, _promise, held_by] = cells[..] else {
            panic!("SPECIFICATION.md: not three cells: {line}");
        };
        assert!(
            references(held_by).next().is_some(),
            "{number} is held by nothing"
        );
        for reference in references(held_by) {
            let is_measured = LINES.iter().any(|(name, _)| *name == reference);
            if !is_measured {
                assert_test_exists(reference, number);
            }
        }
    }
}

/// Fails unless `test` is `file::name` of a test.
fn assert_test_exists(test: &str, whose: &str) {
    let Some((file, name)) = test.split_once("::") else {
        panic!("{whose}: {test} is not file::test");
    };
    let source = fs::read_to_string(repository().join(file))
        .unwrap_or_else(|error| panic!("{whose}: {file}: {error}"));
    assert!(
        has_test(&source, name),
        "{whose} names {test}, which does not exist"
    );
}
