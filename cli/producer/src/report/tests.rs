use super::*;

const TEXT: &str = "one\ntwo\nthree\n";

fn at(line: u32) -> Span {
    Span { line, column: 1 }
}

fn note(findings: &Findings<'_>, level: Level, count: usize) {
    for number in 0..count {
        let message = format!("{number}");
        let nothing = Subject::default();
        findings.note(
            level,
            TemplateRule::NoEffect,
            &nothing,
            at(1),
            message,
            None,
        );
    }
}

#[test]
fn findings_stand_in_the_order_of_the_text_and_once() {
    let findings = Findings::of("t", TEXT);
    for line in [3, 1, 3, 2] {
        findings.error(
            TemplateRule::BadValue,
            &Subject::default(),
            at(line),
            "wrong",
        );
    }
    let lines: Vec<u32> = findings
        .report()
        .findings
        .iter()
        .map(|finding| finding.place.line)
        .collect();
    assert_eq!(lines, [1, 2, 3]);
}

#[test]
fn what_several_resources_have_from_one_place_is_said_once() {
    let findings = Findings::of("t", TEXT);
    let subject = |id: &str, property: &str| Subject {
        id: id.to_owned(),
        property: property.to_owned(),
        ..Subject::default()
    };
    for (id, property) in [("A", "P"), ("A", "Q"), ("B", "P"), ("C", "P")] {
        findings.error(
            TemplateRule::BadValue,
            &subject(id, property),
            at(2),
            "wrong",
        );
    }
    findings.error(TemplateRule::BadValue, &subject("D", "P"), at(3), "wrong");
    let report = findings.report();
    let said = report.findings.iter();
    let said: Vec<_> = said
        .map(|found| (found.subject.id.as_str(), found.message.as_str()))
        .collect();
    assert_eq!(
        said,
        [
            ("A", "wrong (the same of 2 more)"),
            ("A", "wrong"),
            ("D", "wrong")
        ]
    );
}

#[test]
fn many_notes_are_cut_and_make_nothing_fatal() {
    let findings = Findings::of("t", TEXT);
    note(&findings, Level::Note, MAX_OTHERS + 5);
    let report = findings.report();
    assert_eq!(report.findings.len(), MAX_OTHERS + 1);
    assert_eq!(
        report.of(Level::Warning).count(),
        1,
        "it says that there are more"
    );
    assert!(!report.is_fatal());
}

#[test]
fn an_error_is_kept_however_many_notes_there_are() {
    let findings = Findings::of("t", TEXT);
    note(&findings, Level::Note, MAX_OTHERS + 5);
    note(&findings, Level::Error, MAX_ERRORS + 5);
    assert_eq!(findings.report().of(Level::Error).count(), MAX_ERRORS);
}

#[test]
fn a_hidden_line_is_not_shown() {
    let findings = Findings::of("t", TEXT);
    findings.hide(at(2), at(2));
    assert_eq!(findings.place(at(1)).excerpt, "one");
    assert_eq!(findings.place(at(2)).excerpt, "");
    assert_eq!(findings.place(at(2)).line, 2);
}

#[test]
fn the_nearest_name_is_like_the_given_one() {
    let known = ["Timeout", "Tracing", "MemorySize"];
    assert_eq!(nearest("Timeot", known.into_iter()), Some("Timeout"));
    assert_eq!(nearest("Zebra", known.into_iter()), None);
}
