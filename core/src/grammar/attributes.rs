//! `NAME=VALUE…`

use super::cursor::{Cursor, Parsed, shown};
use super::error::SyntaxError;
use super::is_attribute_name;
use super::token::Word;
use super::wide;
use crate::config::{Attributes, RuledSet, Section};
use crate::score::Score;

/// Reads pairs into `pairs` until one of the words of `until`, or to the end.
pub(super) fn attributes(cursor: &mut Cursor<'_, '_>, pairs: &mut Attributes, until: &[&str]) -> Parsed<()> {
    while let Some(word) = cursor.peek() {
        if until.contains(&word.text.as_str()) && word.is_bare_from(0) {
            break;
        }
        refuse_what_is_not_there(word)?;
        let Some((name, value)) = word.text.split_once('=') else {
            return Err(cursor.unexpected(word));
        };
        // An id of the set itself, which nothing refers to.
        if name == "$id" {
            cursor.take();
            continue;
        }
        if !is_attribute_name(name) {
            let error = SyntaxError::new(word.at, format!("{} cannot be the name of an attribute", shown(name)));
            return Err(error.hint("write NAME=VALUE without blanks around the ="));
        }
        let starts = name.len() + 1;
        if value.is_empty() && word.is_bare_from(starts) {
            return Err(SyntaxError::new(word.at, format!("{name} has no value"))
                .hint(format!("write {name}=VALUE without blanks around the =, or {name}=\"\" for an empty one")));
        }
        let value = match name {
            "xml" => expanded(cursor, word, starts)?,
            _ => value.to_owned(),
        };
        if pairs.insert(name.to_owned(), value).is_some() {
            return Err(SyntaxError::new(word.at, format!("{name} is given twice")).hint("keep one"));
        }
        cursor.take();
    }
    Ok(())
}

/// `[SCORE:] [rule EXPRESSION] NAME=VALUE…`: what has neither goes to `plain`.
pub(super) fn attribute_set(
    cursor: &mut Cursor<'_, '_>,
    section: Section,
    plain: &mut Attributes,
    ruled: &mut Vec<RuledSet>,
    until: &[&str],
) -> Parsed<()> {
    while cursor.peek().is_some_and(|word| word.text.starts_with("$id=")) {
        cursor.take();
    }
    let number = |word: &&Word| word.text.strip_suffix(':').and_then(|number| number.parse::<Score>().ok());
    let score = cursor.peek().as_ref().and_then(number);
    if score.is_some() {
        cursor.take();
    }
    let at = cursor.peek().filter(|word| word.text == "rule" && word.is_bare_from(0)).map(|word| word.at);
    let rule = match at {
        Some(_) => {
            cursor.take();
            Some(wide::of_attributes(cursor)?)
        }
        None => None,
    };
    let score = score.unwrap_or_default();
    if rule.is_none() && score == Score::ZERO {
        return attributes(cursor, plain, until);
    }
    let mut pairs = Attributes::new();
    attributes(cursor, &mut pairs, until)?;
    if pairs.is_empty() {
        cursor.need("NAME=VALUE")?;
    }
    ruled.push(RuledSet { section, score, rule, pairs });
    Ok(())
}

/// The value that begins at this byte of the word; `@FILE`, without quotes, is that file's content.
pub(super) fn expanded(cursor: &mut Cursor<'_, '_>, word: &Word, starts: usize) -> Parsed<String> {
    let value = &word.text[starts..];
    let Some(file) = value.strip_prefix('@').filter(|_| word.is_bare_from(starts)) else {
        return Ok(value.to_owned());
    };
    (cursor.expand)(file).map_err(|error| {
        SyntaxError::new(word.at, format!("{} cannot be read: {error}", shown(value)))
            .hint("name a file that holds the domain's XML, as `virsh dumpxml` prints it")
    })
}

fn refuse_what_is_not_there(word: &Word) -> Parsed<()> {
    let text = word.text.as_str();
    let what = if text == "rule" {
        "rules are"
    } else if text.starts_with("$id-ref=") || text.starts_with('@') {
        "attribute sets that refer to others are"
    } else if text.starts_with('$') && !text.starts_with("$id=") {
        "attributes with an id of their own are"
    } else if text.ends_with(':') && !text.contains('=') {
        "attribute sets with a score are"
    } else {
        return Ok(());
    };
    Err(SyntaxError::not_yet(word.at, what).hint("write plain NAME=VALUE pairs"))
}
