//! `docs/configuration*.md`: each key, its type and its default, as the code has them.

use super::repository;
use crate::config::keys::{Absent, KEYS, Key, Kind};
use crate::config::value::show_duration;

/// A row of the tables: key, type, default.
type Row = (String, String, String);

fn rows(path: &str) -> Vec<Row> {
    let text = std::fs::read_to_string(repository(path)).unwrap();
    let mut rows = Vec::new();
    for line in text.lines().filter(|line| line.starts_with("| `")) {
        // In a cell, `\|` is a bar.
        let line = line.replace("\\|", "\u{1}");
        let cells: Vec<_> = line.trim_matches('|').split('|').map(|cell| cell.trim().replace('\u{1}', "|")).collect();
        let [key, kind, default, meaning] = cells.as_slice() else { panic!("{line}") };
        assert!(!meaning.is_empty(), "{line}");
        rows.push((key.clone(), kind.clone(), default.clone()));
    }
    rows
}

fn row(key: &Key, words: &Words) -> Row {
    let default = match key.absent {
        Absent::Is(text) => format!("`{text}`"),
        Absent::Derived(text) => (words.derived)(text).to_owned(),
        Absent::Required(_) => words.required.to_owned(),
    };
    (format!("`{}`", key.path), (words.kind)(key.kind), default)
}

struct Words {
    required: &'static str,
    derived: fn(&'static str) -> &'static str,
    kind: fn(Kind) -> String,
}

const ENGLISH: Words = Words {
    required: "**required**",
    derived: |text| text,
    kind: |kind| match kind {
        Kind::Flag => "true or false".to_owned(),
        Kind::Count(least, most) => format!("number, {least} to {most}"),
        Kind::Duration(least, most) => format!("duration, {} to {}", show_duration(least), show_duration(most)),
        Kind::Size(least, most) => format!("size, {least} to {most}"),
        Kind::Text => "text".to_owned(),
        Kind::Choice(words) => words.iter().map(|word| format!("`\"{word}\"`")).collect::<Vec<_>>().join(", "),
        Kind::Secret => "secret".to_owned(),
        Kind::File => "path".to_owned(),
        Kind::Texts => "list of texts".to_owned(),
        Kind::TextTable => "table of texts".to_owned(),
        Kind::ValueTable => "table of values".to_owned(),
    },
};

const CHINESE: Words = Words {
    required: "**必填**",
    derived: |text| match text {
        "none" => "无",
        "menshen_endpoint_ and the upstream's name" => "menshen_endpoint_ 加上游名称",
        "no limit" => "不限",
        "nothing" => "空",
        "that of its upstream" => "上游的设置",
        "that of the site" => "站点的设置",
        "the provider's name" => "登录方式的名字",
        "those of GitHub" => "GitHub 的地址",
        "our page of providers" => "门神的登录方式页面",
        "that of every 401 of ours" => "门神通常的 401",
        "by what the file is called, else plain text" => "按文件名，否则纯文本",
        "none; under maintenance 5m" => "无；维护页为 5m",
        "one for each core" => "每个核心一个",
        "origin + login.callback without its last slash" => "origin + 去掉末尾斜杠的 login.callback",
        "the only upstream" => "唯一的那个 upstream",
        "tls.client_auth" => "tls.client_auth",
        "every site" => "所有站点",
        "all" => "全部",
        "a quarter of limits.connections" => "limits.connections 的四分之一",
        "the site's origin" => "站点的 origin",
        "those whom the machine trusts" => "本机信任的机构",
        "the endpoint's host" => "地址里的主机",
        "master.key in store.path" => "store.path 里的 master.key",
        "admin/menshen.sock in store.path" => "store.path 里的 admin/menshen.sock",
        _ => "?",
    },
    kind: |kind| match kind {
        Kind::Flag => "true 或 false".to_owned(),
        Kind::Count(least, most) => format!("整数，{least} 至 {most}"),
        Kind::Duration(least, most) => format!("时长，{} 至 {}", show_duration(least), show_duration(most)),
        Kind::Size(least, most) => format!("大小，{least} 至 {most}"),
        Kind::Text => "文本".to_owned(),
        Kind::Choice(words) => words.iter().map(|word| format!("`\"{word}\"`")).collect::<Vec<_>>().join("、"),
        Kind::Secret => "机密".to_owned(),
        Kind::File => "路径".to_owned(),
        Kind::Texts => "文本列表".to_owned(),
        Kind::TextTable => "文本表".to_owned(),
        Kind::ValueTable => "值表".to_owned(),
    },
};

#[test]
fn both_documents_list_exactly_the_keys_and_defaults_of_the_code() {
    for (path, words) in [("docs/configuration.md", ENGLISH), ("docs/configuration.zh-CN.md", CHINESE)] {
        let (documented, known) = (rows(path), KEYS.iter().map(|key| row(key, &words)).collect::<Vec<_>>());
        for row in &known {
            assert!(documented.contains(row), "{path} lacks | {} | {} | {} | … |", row.0, row.1, row.2);
        }
        for row in &documented {
            assert!(
                known.contains(row),
                "{path} has | {} | {} | {} |, which the code does not know",
                row.0,
                row.1,
                row.2
            );
        }
        assert_eq!(documented.len(), known.len(), "{path} lists a key twice");
    }
}
