//! `SELECT`: the part of it that looks into the server's views takes.

use super::error::ServerError;
use super::lexer::Token;
use super::reader::Reader;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Query {
    pub columns: Vec<(String, Expression)>,
    pub sources: Vec<Source>,
    pub filter: Option<Expression>,
    pub order: Vec<(Expression, bool)>,
    pub top: Option<usize>,
}

/// A table after `FROM` or `JOIN`; the first has no condition.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Source {
    pub path: Vec<String>,
    /// Of a function that gives a table.
    pub arguments: Vec<Expression>,
    pub alias: String,
    pub on: Option<Expression>,
    pub outer: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    Null,
    Text(String),
    Number(i64),
    /// `COUNT(*)`
    CountAll,
    Variable(String),
    Column(Vec<String>),
    Call(String, Vec<Expression>),
    /// `CONVERT` or `CAST` to a type.
    Cast(String, Box<Expression>),
    Not(Box<Expression>),
    IsNull(Box<Expression>),
    Binary(String, Box<Expression>, Box<Expression>),
}

/// Words that end a list of columns or a table's name.
const CLAUSES: [&str; 9] = ["FROM", "WHERE", "ORDER", "JOIN", "LEFT", "INNER", "ON", "AND", "OR"];

impl Query {
    /// Reads what follows `SELECT`.
    pub(super) fn read(reader: &mut Reader) -> Result<Self, ServerError> {
        let mut query = Self { columns: Vec::new(), sources: Vec::new(), filter: None, order: Vec::new(), top: None };
        if reader.takes_word("TOP") {
            reader.expect_symbol("(")?;
            query.top = reader.scalar()?.parse().ok();
            reader.expect_symbol(")")?;
        }
        loop {
            let expression = expression(reader)?;
            let name = if reader.takes_word("AS") {
                reader.name()?
            } else if let Expression::Column(path) = &expression {
                path.last().cloned().unwrap_or_default()
            } else {
                String::new()
            };
            query.columns.push((name, expression));
            if !reader.takes_symbol(",") {
                break;
            }
        }
        if reader.takes_word("FROM") {
            query.sources.push(source(reader, false)?);
            loop {
                let outer = reader.takes_word("LEFT");
                if !outer {
                    reader.takes_word("INNER");
                }
                if !reader.takes_word("JOIN") {
                    break;
                }
                let mut joined = source(reader, outer)?;
                reader.expect_word("ON")?;
                joined.on = Some(expression(reader)?);
                query.sources.push(joined);
            }
        }
        if reader.takes_word("WHERE") {
            query.filter = Some(expression(reader)?);
        }
        if reader.takes_word("ORDER") {
            reader.expect_word("BY")?;
            loop {
                let key = expression(reader)?;
                let descending = reader.takes_word("DESC");
                if !descending {
                    reader.takes_word("ASC");
                }
                query.order.push((key, descending));
                if !reader.takes_symbol(",") {
                    break;
                }
            }
        }
        Ok(query)
    }
}

fn source(reader: &mut Reader, outer: bool) -> Result<Source, ServerError> {
    let path = reader.path()?;
    let arguments = if reader.takes_symbol("(") { list(reader)? } else { Vec::new() };
    let named = reader.takes_word("AS")
        || matches!(reader.peek(), Some(Token::Word(word)) if !CLAUSES.contains(&word.to_uppercase().as_str()));
    let alias = if named { reader.name()? } else { path.last().cloned().unwrap_or_default() };
    Ok(Source { path, arguments, alias, on: None, outer })
}

fn expression(reader: &mut Reader) -> Result<Expression, ServerError> {
    let mut left = conjunction(reader)?;
    while reader.takes_word("OR") {
        left = binary("OR", left, conjunction(reader)?);
    }
    Ok(left)
}

fn binary(operator: &str, left: Expression, right: Expression) -> Expression {
    Expression::Binary(operator.to_owned(), Box::new(left), Box::new(right))
}

fn conjunction(reader: &mut Reader) -> Result<Expression, ServerError> {
    let mut left = negation(reader)?;
    while reader.takes_word("AND") {
        left = binary("AND", left, negation(reader)?);
    }
    Ok(left)
}

fn negation(reader: &mut Reader) -> Result<Expression, ServerError> {
    if reader.takes_word("NOT") {
        return Ok(Expression::Not(Box::new(negation(reader)?)));
    }
    comparison(reader)
}

fn comparison(reader: &mut Reader) -> Result<Expression, ServerError> {
    let left = sum(reader)?;
    if reader.takes_word("IS") {
        let not = reader.takes_word("NOT");
        reader.expect_word("NULL")?;
        let is_null = Expression::IsNull(Box::new(left));
        return Ok(if not { Expression::Not(Box::new(is_null)) } else { is_null });
    }
    let not = reader.takes_word("NOT");
    if reader.takes_word("IN") {
        reader.expect_symbol("(")?;
        let mut any: Option<Expression> = None;
        for item in list(reader)? {
            let equal = binary("=", left.clone(), item);
            any = Some(any.map_or(equal.clone(), |any| binary("OR", any, equal)));
        }
        let any = any.ok_or_else(|| ServerError::syntax(")"))?;
        return Ok(if not { Expression::Not(Box::new(any)) } else { any });
    }
    for operator in ["=", "<>", "<=", ">=", "<", ">"] {
        if reader.takes_symbol(operator) {
            return Ok(binary(operator, left, sum(reader)?));
        }
    }
    Ok(left)
}

fn sum(reader: &mut Reader) -> Result<Expression, ServerError> {
    let mut left = primary(reader)?;
    loop {
        let operator = ["+", "*"].into_iter().find(|operator| reader.takes_symbol(operator));
        let Some(operator) = operator else { return Ok(left) };
        left = binary(operator, left, primary(reader)?);
    }
}

/// What stands in parentheses that were opened.
fn list(reader: &mut Reader) -> Result<Vec<Expression>, ServerError> {
    let mut items = Vec::new();
    while !reader.takes_symbol(")") {
        items.push(expression(reader)?);
        if !reader.takes_symbol(",") {
            reader.expect_symbol(")")?;
            break;
        }
    }
    Ok(items)
}

/// A type's name, without its size.
fn type_name(reader: &mut Reader) -> Result<String, ServerError> {
    let name = reader.word()?;
    if reader.takes_symbol("(") {
        while !reader.takes_symbol(")") {
            reader.next()?;
        }
    }
    Ok(name)
}

fn primary(reader: &mut Reader) -> Result<Expression, ServerError> {
    if reader.takes_symbol("(") {
        let inside = expression(reader)?;
        reader.expect_symbol(")")?;
        return Ok(inside);
    }
    if reader.takes_word("NULL") {
        return Ok(Expression::Null);
    }
    if reader.takes_word("CAST") {
        reader.expect_symbol("(")?;
        let value = expression(reader)?;
        reader.expect_word("AS")?;
        let to = type_name(reader)?;
        reader.expect_symbol(")")?;
        return Ok(Expression::Cast(to, Box::new(value)));
    }
    if reader.takes_word("CONVERT") {
        reader.expect_symbol("(")?;
        let to = type_name(reader)?;
        reader.expect_symbol(",")?;
        let value = expression(reader)?;
        if reader.takes_symbol(",") {
            reader.scalar()?;
        }
        reader.expect_symbol(")")?;
        return Ok(Expression::Cast(to, Box::new(value)));
    }
    match reader.peek() {
        Some(Token::Word(_) | Token::Quoted(_)) => {
            let path = reader.path()?;
            if !reader.takes_symbol("(") {
                return Ok(Expression::Column(path));
            }
            let name = path.last().cloned().unwrap_or_default().to_uppercase();
            if name == "COUNT" && reader.takes_symbol("*") {
                reader.expect_symbol(")")?;
                return Ok(Expression::CountAll);
            }
            Ok(Expression::Call(name, list(reader)?))
        }
        _ => match reader.next()? {
            Token::Text(text) => Ok(Expression::Text(text)),
            Token::Number(number) => number.parse().map(Expression::Number).map_err(|_| ServerError::syntax(&number)),
            Token::Variable(name) => Ok(Expression::Variable(name)),
            other => Err(ServerError::syntax(&format!("{other:?}"))),
        },
    }
}
