//! The pages for operators, held to what the code knows.

use crate::text_of;

#[test]
fn the_pages_on_metrics_list_every_metric_with_its_kind_and_no_others() {
    for page in ["docs/metrics.md", "docs/metrics.zh-CN.md"] {
        let text = text_of(page);
        let rows = text.lines().filter(|line| line.starts_with("| `menshen_"));
        let listed: Vec<(&str, &str)> = rows
            .map(|row| {
                let mut cells = row.split(" | ");
                (cells.next().unwrap().trim_matches(['|', ' ', '`']), cells.next().unwrap())
            })
            .collect();
        let known: Vec<(&str, &str)> =
            menshen::telemetry::metrics::METRICS.iter().map(|metric| (metric.name, metric.kind)).collect();
        assert_eq!(listed, known, "{page}");
    }
}

#[test]
fn the_pages_for_operators_list_every_act_of_the_audit_trail_and_every_key_that_needs_a_restart() {
    let acts: Vec<String> = menshen::store::Act::ALL.iter().map(|act| format!("| `{}` |", act.name())).collect();
    let source = text_of("src/app/source.rs");
    let keys: Vec<&str> = source.split("keep(\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(keys.len() > 10, "{keys:?}");
    for page in ["docs/operators.md", "docs/operators.zh-CN.md"] {
        let text = text_of(page);
        let rows: Vec<&String> = acts.iter().filter(|act| !text.contains(act.as_str())).collect();
        assert!(rows.is_empty(), "{page} lacks {rows:?}");
        for key in &keys {
            assert!(text.contains(&format!("`{key}`")), "{page} lacks {key}");
        }
    }
}
