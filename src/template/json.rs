//! JSON whose texts are templates.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{Place, Placeholder, Template};

/// A value of JSON.
#[derive(Debug, Clone)]
pub enum JsonTemplate<F> {
    /// Text with placeholders.
    Text(Template<F>),
    /// Anything without: true, false, a number.
    Fixed(Value),
    /// Values in their order.
    List(Vec<JsonTemplate<F>>),
    /// Names and their values.
    Table(Vec<(String, JsonTemplate<F>)>),
}

impl<F: Placeholder> JsonTemplate<F> {
    /// Whether some of its texts name a field like this.
    pub fn names(&self, is_it: impl Fn(F) -> bool + Copy) -> bool {
        match self {
            JsonTemplate::Fixed(_) => false,
            JsonTemplate::Text(template) => template.fields().any(is_it),
            JsonTemplate::List(items) => items.iter().any(|item| item.names(is_it)),
            JsonTemplate::Table(entries) => entries.iter().any(|(_, value)| value.names(is_it)),
        }
    }

    /// Fills it in. For a field of which there is nothing `lacking` is asked: an error is what all comes to; else the text
    /// that names it is left out, since an empty one would say something. `None`: nothing is left.
    pub fn fill<'v, E>(
        &self,
        value_of: &impl Fn(F) -> Option<Cow<'v, str>>,
        lacking: &impl Fn(F) -> Result<(), E>,
    ) -> Result<Option<Value>, E> {
        Ok(match self {
            JsonTemplate::Fixed(value) => Some(value.clone()),
            JsonTemplate::Text(template) => match template.fill(Place::Json, value_of) {
                Ok(text) => Some(Value::String(text)),
                Err(field) => lacking(field).map(|()| None)?,
            },
            JsonTemplate::List(items) => {
                let items: Vec<_> = items.iter().map(|item| item.fill(value_of, lacking)).collect::<Result<_, E>>()?;
                Some(Value::Array(items.into_iter().flatten().collect()))
            }
            JsonTemplate::Table(entries) => {
                let mut table = Map::new();
                for (name, value) in entries {
                    table.extend(value.fill(value_of, lacking)?.map(|value| (name.clone(), value)));
                }
                Some(Value::Object(table))
            }
        })
    }
}
