//! Answers a `SELECT` out of the server's views.

use std::cmp::Ordering;

use super::error::ServerError;
use super::instance::Instance;
use super::query::{Expression, Query};
use super::value::{Kind, Table, Value};
use super::views::view;

/// The row at hand: of each source its name, its columns and the row's values, none where an outer join found nothing.
struct Row<'query> {
    parts: Vec<(&'query str, &'query Table, Option<&'query [Value]>)>,
}

pub(super) struct Evaluation<'server> {
    pub instance: &'server Instance,
    pub session: i64,
}

impl Evaluation<'_> {
    pub(super) fn select(&self, query: &Query) -> Result<Table, ServerError> {
        let empty = Row { parts: Vec::new() };
        let mut tables = Vec::new();
        for source in &query.sources {
            let arguments: Result<Vec<Value>, ServerError> =
                source.arguments.iter().map(|argument| self.value(argument, &empty)).collect();
            tables.push(view(self.instance, self.session, &source.path, &arguments?)?);
        }
        let mut rows = vec![Row { parts: Vec::new() }];
        for (source, table) in query.sources.iter().zip(&tables) {
            rows = self.join(rows, source, table)?;
        }
        if let Some(filter) = &query.filter {
            let mut kept = Vec::new();
            for row in rows {
                if self.holds(filter, &row)? {
                    kept.push(row);
                }
            }
            rows = kept;
        }
        self.sort(query, &mut rows)?;
        if let Some(top) = query.top {
            rows.truncate(top);
        }
        let counts = query.columns.iter().any(|(_, expression)| *expression == Expression::CountAll);
        let mut result = Table::default();
        if counts {
            result.columns = query.columns.iter().map(|(name, _)| (name.clone(), Kind::Int(4))).collect();
            result.rows.push(vec![Value::int(i64::try_from(rows.len()).unwrap_or_default())]);
            return Ok(result);
        }
        result.columns = query.columns.iter().map(|(name, _)| (name.clone(), Kind::Text)).collect();
        for row in &rows {
            let values: Result<Vec<Value>, ServerError> =
                query.columns.iter().map(|(_, expression)| self.value(expression, row)).collect();
            let values = values?;
            for (column, value) in result.columns.iter_mut().zip(&values) {
                column.1 = value.kind();
            }
            result.rows.push(values);
        }
        Ok(result)
    }

    fn join<'query>(
        &self,
        rows: Vec<Row<'query>>,
        source: &'query super::query::Source,
        table: &'query Table,
    ) -> Result<Vec<Row<'query>>, ServerError> {
        let mut joined = Vec::new();
        for row in rows {
            let mut found = false;
            for values in &table.rows {
                let mut parts = row.parts.clone();
                parts.push((&source.alias, table, Some(values)));
                let candidate = Row { parts };
                if source.on.as_ref().map_or(Ok(true), |on| self.holds(on, &candidate))? {
                    found = true;
                    joined.push(candidate);
                }
            }
            if !found && source.outer {
                let mut parts = row.parts.clone();
                parts.push((&source.alias, table, None));
                joined.push(Row { parts });
            }
        }
        Ok(joined)
    }

    fn sort(&self, query: &Query, rows: &mut Vec<Row<'_>>) -> Result<(), ServerError> {
        for (key, descending) in query.order.iter().rev() {
            let mut keyed = Vec::new();
            for row in rows.drain(..) {
                keyed.push((self.value(key, &row)?, row));
            }
            keyed.sort_by(|(one, _), (other, _)| {
                let order = compare(one, other).unwrap_or(Ordering::Equal);
                if *descending { order.reverse() } else { order }
            });
            rows.extend(keyed.into_iter().map(|(_, row)| row));
        }
        Ok(())
    }

    fn holds(&self, expression: &Expression, row: &Row<'_>) -> Result<bool, ServerError> {
        Ok(self.value(expression, row)? == Value::Bit(true))
    }

    fn value(&self, expression: &Expression, row: &Row<'_>) -> Result<Value, ServerError> {
        Ok(match expression {
            Expression::Null => Value::Null(Kind::Text),
            Expression::Text(text) => Value::text(text.clone()),
            Expression::Number(number) => Value::int(*number),
            Expression::CountAll => return Err(ServerError::syntax("COUNT")),
            Expression::Variable(name) => self.variable(name)?,
            Expression::Column(path) => column(path, row)?,
            Expression::Call(name, arguments) => {
                let values: Result<Vec<Value>, ServerError> =
                    arguments.iter().map(|argument| self.value(argument, row)).collect();
                self.call(name, &values?)?
            }
            Expression::Cast(to, value) => cast(to, self.value(value, row)?)?,
            Expression::Not(inner) => match self.value(inner, row)? {
                Value::Bit(bit) => Value::Bit(!bit),
                other => other,
            },
            Expression::IsNull(inner) => Value::Bit(self.value(inner, row)?.is_null()),
            Expression::Binary(operator, left, right) => {
                binary(operator, &self.value(left, row)?, &self.value(right, row)?)
            }
        })
    }

    fn variable(&self, name: &str) -> Result<Value, ServerError> {
        match name {
            "@@SPID" => Ok(Value::Int(self.session, 2)),
            "@@SERVERNAME" => Ok(Value::text(self.instance.name.clone())),
            "@@VERSION" => Ok(Value::text(format!(
                "Microsoft SQL Server {} (a wire-level double of Holdfast's tests)",
                self.instance.version_text
            ))),
            _ => Err(ServerError::new(137, 15, format!("Must declare the scalar variable \"{name}\"."))),
        }
    }

    fn call(&self, name: &str, arguments: &[Value]) -> Result<Value, ServerError> {
        let text = |index: usize| arguments.get(index).and_then(Value::shown);
        let login = self.instance.sessions.get(&self.session).map(|session| session.login.clone()).unwrap_or_default();
        Ok(match name {
            "SERVERPROPERTY" => self.property(&text(0).unwrap_or_default()),
            "SUSER_SNAME" | "ORIGINAL_LOGIN" => Value::text(login),
            "DB_ID" => {
                let found = text(0).and_then(|name| self.instance.find(&name).map(|database| database.id));
                Value::or_null(found.map(Value::int), Kind::Int(4))
            }
            "DB_NAME" => {
                let id = match arguments.first() {
                    Some(id) => id.number(),
                    None => self.instance.sessions.get(&self.session).map(|session| i128::from(session.database)),
                };
                let found = self.instance.databases.iter().find(|database| Some(i128::from(database.id)) == id);
                Value::or_null(found.map(|database| Value::text(database.name.clone())), Kind::Text)
            }
            "QUOTENAME" => {
                let quoted = text(0).map(|name| Value::text(format!("[{}]", name.replace(']', "]]"))));
                Value::or_null(quoted, Kind::Text)
            }
            "ISNULL" | "COALESCE" => {
                arguments.iter().find(|value| !value.is_null()).cloned().unwrap_or(Value::Null(Kind::Text))
            }
            "SYSDATETIMEOFFSET" => Value::DateTimeOffset(self.instance.now_with_offset()),
            "SYSUTCDATETIME" => Value::DateTime(self.instance.now().naive_utc()),
            "SYSDATETIME" | "GETDATE" => Value::DateTime(self.instance.local_now()),
            "HAS_PERMS_BY_NAME" => {
                let quoted = text(0);
                let database = quoted.as_deref().map(|name| {
                    let inside = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
                    inside.map_or_else(|| name.to_owned(), |name| name.replace("]]", "]"))
                });
                if database.as_deref().is_some_and(|name| self.instance.find(name).is_none()) {
                    return Ok(Value::Null(Kind::Int(4)));
                }
                let permission = text(2).unwrap_or_default();
                Value::int(i64::from(self.instance.may(&login, database.as_deref(), &permission)))
            }
            _ => {
                let message = format!("'{name}' is not a recognized built-in function name.");
                return Err(ServerError::new(195, 15, message));
            }
        })
    }

    fn property(&self, name: &str) -> Value {
        let instance = self.instance;
        let directory = format!("{}/", instance.directory.display());
        match name.to_lowercase().as_str() {
            "productversion" => Value::text(instance.version_text.clone()),
            "edition" => Value::text(instance.edition.clone()),
            "engineedition" => Value::int(instance.engine_edition),
            "servername" => Value::text(instance.name.clone()),
            "ishadrenabled" => Value::int(i64::from(instance.databases.iter().any(|each| each.group.is_some()))),
            "instancedefaultdatapath" | "instancedefaultlogpath" => Value::text(directory),
            _ => Value::Null(Kind::Text),
        }
    }
}

fn column(path: &[String], row: &Row<'_>) -> Result<Value, ServerError> {
    let (alias, name) = match path {
        [name] => (None, name),
        [.., alias, name] => (Some(alias), name),
        [] => return Err(ServerError::syntax(".")),
    };
    for (source, table, values) in &row.parts {
        if alias.is_some_and(|alias| !alias.eq_ignore_ascii_case(source)) {
            continue;
        }
        if let Some(index) = table.columns.iter().position(|(column, _)| column.eq_ignore_ascii_case(name)) {
            return Ok(values.map_or(Value::Null(table.columns[index].1), |values| values[index].clone()));
        }
    }
    Err(ServerError::new(207, 16, format!("Invalid column name '{name}'.")))
}

fn cast(to: &str, value: Value) -> Result<Value, ServerError> {
    let kind = match to {
        "NVARCHAR" | "VARCHAR" | "SYSNAME" | "NCHAR" => Kind::Text,
        "INT" => Kind::Int(4),
        "BIGINT" => Kind::Int(8),
        "BIT" => Kind::Bit,
        _ => return Err(ServerError::new(243, 16, format!("Type {to} is not a defined system type."))),
    };
    if value.is_null() {
        return Ok(Value::Null(kind));
    }
    Ok(match kind {
        Kind::Text => Value::text(value.shown().unwrap_or_default()),
        Kind::Bit => Value::Bit(value.number() != Some(0)),
        Kind::Int(width) => {
            let number = value.number().and_then(|number| i64::try_from(number).ok());
            Value::Int(number.ok_or_else(|| ServerError::new(245, 16, "Conversion failed."))?, width)
        }
        _ => value,
    })
}

fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    if left.is_null() || right.is_null() {
        return None;
    }
    match (left.number(), right.number()) {
        (Some(one), Some(other)) => Some(one.cmp(&other)),
        _ => Some(left.compared()?.cmp(&right.compared()?)),
    }
}

fn binary(operator: &str, left: &Value, right: &Value) -> Value {
    let truth = |value: &Value| match value {
        Value::Bit(bit) => Some(*bit),
        _ => None,
    };
    let as_value = |bit: Option<bool>| Value::or_null(bit.map(Value::Bit), Kind::Bit);
    match operator {
        "AND" => as_value(match (truth(left), truth(right)) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        }),
        "OR" => as_value(match (truth(left), truth(right)) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), Some(false)) => Some(false),
            _ => None,
        }),
        "+" | "*" => match (left, right) {
            (Value::Int(one, width), Value::Int(other, _)) => {
                let result = if operator == "+" { one.saturating_add(*other) } else { one.saturating_mul(*other) };
                Value::Int(result, *width)
            }
            _ => match (left.shown(), right.shown()) {
                (Some(one), Some(other)) => Value::Text(one + &other),
                _ => Value::Null(Kind::Text),
            },
        },
        _ => as_value(compare(left, right).map(|order| match operator {
            "=" => order.is_eq(),
            "<>" => order.is_ne(),
            "<" => order.is_lt(),
            ">" => order.is_gt(),
            "<=" => order.is_le(),
            _ => order.is_ge(),
        })),
    }
}
