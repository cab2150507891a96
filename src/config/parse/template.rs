//! Texts with placeholders.

use serde_json::{Number, Value};

use crate::config::error::Remark;
use crate::config::read;
use crate::config::suggest;
use crate::config::tree::{Entry, Item, Node};
use crate::identity::Field;
use crate::template::{ENCODINGS, JsonTemplate, Placeholder, Template, TemplateError};

/// Placeholders that operators write.
pub(in crate::config) trait Known: Placeholder {
    /// What comes of one that does not exist.
    const SO: &'static str;

    /// What others call them.
    const OTHER_NAMES: &'static [(&'static str, &'static str)];

    /// What is to be said of one that exists elsewhere.
    fn elsewhere(_written: &str) -> Option<Remark> {
        None
    }
}

impl Known for Field {
    const SO: &'static str = "the application would be sent the braces in place of a value";

    const OTHER_NAMES: &'static [(&'static str, &'static str)] = &[
        ("name", "user.display_name"),
        ("nickname", "user.display_name"),
        ("user.name", "user.display_name"),
        ("sub", "user.id"),
    ];

    fn elsewhere(written: &str) -> Option<Remark> {
        (written == "random").then(|| {
            Remark::new("{random} stands in the cookies of an identity, and alone there")
                .so("nobody could compare it with anything")
                .fix("cookies = { csrftoken = \"{random}\" }")
        })
    }
}

/// JSON whose texts are templates.
pub(in crate::config) fn json<F: Known>(node: &Node) -> Result<JsonTemplate<F>, Vec<Remark>> {
    let beyond_json = |says: &str| {
        vec![
            Remark::new(says)
                .so("the application would read another value, or none")
                .fix("write it as text, in quotes"),
        ]
    };
    match &node.item {
        Item::Text(text) => template(text).map(JsonTemplate::Text),
        Item::Flag(flag) => Ok(JsonTemplate::Fixed(Value::Bool(*flag))),
        Item::Integer(number) => {
            let number = i64::try_from(*number).map_err(|_| beyond_json("is beyond what JSON readers agree on"))?;
            Ok(JsonTemplate::Fixed(Value::from(number)))
        }
        Item::Float(number) => {
            let number = Number::from_f64(*number).ok_or_else(|| beyond_json("is no number that JSON knows"))?;
            Ok(JsonTemplate::Fixed(Value::Number(number)))
        }
        Item::List(items) => items.iter().map(json).collect::<Result<_, _>>().map(JsonTemplate::List),
        Item::Table(table) => {
            let entry = |entry: &Entry| Ok((entry.name.clone(), json(&entry.node)?));
            table.0.iter().map(entry).collect::<Result<_, _>>().map(JsonTemplate::Table)
        }
        Item::Date(_) => {
            let remark = Remark::new(format!("expected what JSON has, not {}", node.kind()));
            let remark = remark.so("an application would read another value, or none");
            Err(vec![remark.fix("write it as text, in quotes")])
        }
    }
}

/// The template that a value is.
pub(in crate::config) fn of_node<F: Known>(node: &Node) -> Result<Template<F>, Vec<Remark>> {
    template(read::plain_text(node).map_err(|remark| vec![remark])?)
}

/// The template, or a remark about each of its fields that is none.
pub(in crate::config) fn template<F: Known>(text: &str) -> Result<Template<F>, Vec<Remark>> {
    let mut rest = text.to_owned();
    let mut remarks = Vec::new();
    loop {
        match Template::parse(&rest) {
            Ok(template) if remarks.is_empty() => return Ok(template),
            Ok(_) => return Err(remarks),
            Err(TemplateError::UnknownField(written)) => {
                remarks.push(unknown_field::<F>(&written));
                let without = rest.replacen(&format!("{{{written}}}"), "", 1);
                if without.len() == rest.len() {
                    return Err(remarks);
                }
                rest = without;
            }
            Err(error @ TemplateError::UnknownEncoding(_)) => {
                let known: Vec<_> = ENCODINGS.iter().map(|(name, _)| format!("`|{name}`")).collect();
                let remark = Remark::new(error.to_string()).so(F::SO);
                remarks.push(remark.fix(format!("there are {}", known.join(", "))));
                return Err(remarks);
            }
            Err(error @ (TemplateError::LoneBrace | TemplateError::Control)) => {
                let (so, fix) = match &error {
                    TemplateError::Control => {
                        ("a line break there would begin a header of its own", "leave out line breaks and tabs")
                    }
                    TemplateError::LoneBrace | TemplateError::UnknownField(_) | TemplateError::UnknownEncoding(_) => {
                        ("where a field ends could not be told", "close the field, or double the brace")
                    }
                };
                remarks.push(Remark::new(error.to_string()).so(so).fix(fix));
                return Err(remarks);
            }
        }
    }
}

fn unknown_field<F: Known>(written: &str) -> Remark {
    if let Some(remark) = F::elsewhere(written.trim()) {
        return remark;
    }
    let remark = Remark::new(TemplateError::UnknownField(written.to_owned()).to_string());
    let remark = remark.so(F::SO);
    let known: Vec<_> = F::ALL.iter().map(|(name, _)| *name).collect();
    let last = |name: &&str| name.rsplit('.').next() == Some(written.trim());
    let other = F::OTHER_NAMES.iter().find(|(other, _)| *other == written.trim()).map(|(_, name)| *name);
    let near = || suggest::nearest(written, known.iter().copied());
    match other.or_else(|| known.iter().copied().find(last)).or_else(near) {
        Some(name) => remark.fix(format!("did you mean {{{name}}}?")),
        None => {
            let all: Vec<_> = known.iter().map(|name| format!("{{{name}}}")).collect();
            remark.fix(format!("there are {}", all.join(", ")))
        }
    }
}
