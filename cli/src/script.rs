//! Text of the configure grammar on its way to the daemon: words given on the command line become a statement, and
//! `xml=@FILE` becomes the file's content, since the daemon does not see the asker's files.
//!
//! It knows where words and statements begin and end, by the same rules as `core::grammar`; what they mean it does not.

use crate::error::CliError;
use std::ops::Range;
use std::path::Path;

/// One statement from words that a shell has taken the quotes off.
pub(crate) fn from_arguments(arguments: &[String]) -> String {
    arguments.iter().map(|argument| requote(argument)).collect::<Vec<_>>().join(" ")
}

/// `name=value with blanks` keeps its name bare, so that `xml=@my file` is still seen as one.
fn requote(argument: &str) -> String {
    let needs = |text: &str| text.is_empty() || text.contains(|c: char| c.is_whitespace() || "'\"\\".contains(c));
    if !needs(argument) && !argument.starts_with('#') {
        return argument.to_owned();
    }
    match argument.split_once('=') {
        Some((name, value)) if !needs(name) && !name.starts_with('#') => match value.strip_prefix('@') {
            Some(file) if name == "xml" => format!("{name}=@{}", quote(file)),
            _ => format!("{name}={}", quote(value)),
        },
        _ => quote(argument),
    }
}

fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The text with every `xml=@FILE` replaced by the content; names are relative to `directory`.
pub(crate) fn expand(text: &str, directory: &Path) -> Result<String, CliError> {
    let mut expanded = String::new();
    let mut copied = 0;
    let mut before = "";
    for word in words(text).into_iter().flatten() {
        let raw = &text[word.clone()];
        let name = if before.ends_with(".xml") { raw.strip_prefix('@') } else { None };
        if let Some(name) = raw.strip_prefix("xml=@").or(name) {
            let begin = word.end - name.len() - 1;
            expanded.push_str(&text[copied..begin]);
            expanded.push_str(&quote(&content(&unquote(name), directory)?));
            copied = word.end;
        }
        before = raw;
    }
    expanded.push_str(&text[copied..]);
    Ok(expanded)
}

/// The content of a file that a configuration names.
pub(crate) fn content(name: &str, directory: &Path) -> Result<String, CliError> {
    let path = directory.join(name);
    if name == "-" || name.is_empty() {
        return Err(CliError::usage("xml=@ needs the name of a file", Some("for example xml=@vm1.xml")));
    }
    match std::fs::read(&path) {
        Ok(bytes) => text(&path, bytes),
        Err(source) => Err(CliError::Read { path, source }),
    }
}

/// What was read of a file, as text: all that is read here is UTF-8.
pub(crate) fn text(file: &Path, bytes: Vec<u8>) -> Result<String, CliError> {
    String::from_utf8(bytes).map_err(|error| {
        let good = String::from_utf8_lossy(&error.as_bytes()[..error.utf8_error().valid_up_to()]).into_owned();
        let line = good.matches('\n').count() + 1;
        let column = good.chars().rev().take_while(|one| *one != '\n').count() + 1;
        let message = format!("{}: line {line}, column {column}: this is no UTF-8", file.display());
        CliError::refused(message, Some("write it as UTF-8: iconv -f ISO-8859-1 -t UTF-8 FILE, if it was Latin 1"))
    })
}

/// Parts of a batch that are committed together: what stands between lines of `commit`, and what follows the last.
pub(crate) fn commits(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut begin = 0;
    for statement in words(text) {
        if let [only] = statement.as_slice()
            && &text[only.clone()] == "commit"
        {
            parts.push(&text[begin..only.start]);
            begin = only.end;
        }
    }
    parts.push(&text[begin..]);
    parts.retain(|part| !words(part).is_empty());
    parts
}

fn unquote(raw: &str) -> String {
    let mut text = String::new();
    let mut quote = None;
    let mut rest = raw.chars().peekable();
    while let Some(c) = rest.next() {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            (Some('"'), '\\') if matches!(rest.peek(), Some('"' | '\\')) => text.extend(rest.next()),
            _ => text.push(c),
        }
    }
    text
}

/// For each statement where its words stand, quotes included.
fn words(text: &str) -> Vec<Vec<Range<usize>>> {
    let mut statements: Vec<Vec<Range<usize>>> = vec![Vec::new()];
    let mut line_is_blank = true;
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        match c {
            '\n' => {
                statements.push(Vec::new());
                line_is_blank = true;
                at += 1;
            }
            '#' if line_is_blank => at += rest.find('\n').map_or(rest.len(), |end| end + 1),
            '\\' if continues(rest) => {
                at += rest.find('\n').map_or(rest.len(), |end| end + 1);
                line_is_blank = true;
            }
            c if c.is_whitespace() => at += c.len_utf8(),
            _ => {
                let end = at + word_length(rest);
                if let Some(statement) = statements.last_mut() {
                    statement.push(at..end);
                }
                line_is_blank = false;
                at = end;
            }
        }
    }
    statements.retain(|statement| !statement.is_empty());
    statements
}

/// Whether only blanks follow the backslash on its line.
fn continues(rest: &str) -> bool {
    let line = rest[1..].lines().next().unwrap_or("");
    line.chars().all(char::is_whitespace)
}

fn word_length(rest: &str) -> usize {
    let mut quote = None;
    let mut escaped = false;
    for (place, c) in rest.char_indices() {
        match quote {
            _ if escaped => escaped = false,
            Some('"') if c == '\\' => escaped = matches!(rest[place + 1..].chars().next(), Some('"' | '\\')),
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c == '\'' || c == '"' => quote = Some(c),
            None if c.is_whitespace() || (c == '\\' && continues(&rest[place..])) => return place,
            None => {}
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_core::grammar;

    fn arguments(words: &[&str]) -> String {
        from_arguments(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn arguments_read_back_as_they_were_typed() {
        let check = |words: &[&str], wanted: &str| assert_eq!(arguments(words), wanted);
        check(&["primitive", "vm1", "vm:libvirt", "meta", "priority=5"], "primitive vm1 vm:libvirt meta priority=5");
        check(&["set", "vm1.description", "my best VM"], "set vm1.description \"my best VM\"");
        check(&["property", "note=it's \"here\""], "property note=\"it's \\\"here\\\"\"");
        check(&["params", "xml=@my vm.xml"], "params xml=@\"my vm.xml\"");
        check(&["params", "empty="], "params empty=");
        check(&["set", "vm1.x", ""], "set vm1.x \"\"");
        check(&["order", "o", "(", "a", "b", ")", "c"], "order o ( a b ) c");
        check(&["#uname"], "\"#uname\"");
    }

    #[test]
    fn files_are_put_in_where_the_grammar_would_look_for_them() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let xml = "<domain type='kvm'>\n  <title>a \"b\" \\ c</title>\n</domain>\n";
        std::fs::write(directory.path().join("vm1.xml"), xml).expect("writable");
        std::fs::write(directory.path().join("my vm.xml"), xml).expect("writable");
        for text in [
            "primitive vm1 vm:libvirt params xml=@vm1.xml meta priority=1\n",
            "# xml=@none.xml\nprimitive vm1 vm:libvirt \\\n\tparams xml=@\"my vm.xml\" \\\n\tmeta priority=1",
            "primitive vm1 vm:libvirt params xml=@'my vm.xml' meta priority=1",
        ] {
            let expanded = expand(text, directory.path()).expect("the files are there");
            let mut refuse = |name: &str| Err(format!("{name} was not expanded"));
            let config = grammar::read(&expanded, &mut refuse).expect("still in the grammar");
            let vm1 = config.primitives.values().next().expect("it is defined");
            assert_eq!((vm1.params["xml"].as_str(), vm1.meta["priority"].as_str()), (xml, "1"), "{text}");
        }
        let set = expand("set vm1.xml @vm1.xml", directory.path()).expect("the file is there");
        assert!(set.starts_with("set vm1.xml \"<domain"), "{set}");
    }

    #[test]
    fn what_is_quoted_or_remarked_is_left_alone() {
        let here = Path::new("/nowhere");
        for text in ["property a=\"xml=@b\"", "# xml=@b", "property xml=\"@b\"", "", "property a='b\nxml=@c'"] {
            assert_eq!(expand(text, here).expect("nothing to read"), text);
        }
        let error = expand("primitive vm1 vm:libvirt params xml=@b.xml", here).expect_err("no such file");
        assert_eq!(error.to_string(), "cannot read /nowhere/b.xml");
        assert!(expand("primitive vm1 vm:libvirt params xml=@-", here).is_err());
        assert!(expand("primitive vm1 vm:libvirt params xml=@", here).is_err());
    }

    #[test]
    fn a_batch_is_cut_at_lines_of_commit_only() {
        let check = |text: &str, wanted: &[&str]| {
            let trimmed: Vec<&str> = commits(text).into_iter().map(str::trim).collect();
            assert_eq!(trimmed, wanted, "{text:?}");
        };
        check("", &[]);
        check("# nothing\ncommit\n", &[]);
        check("a 1\nb 2\n", &["a 1\nb 2"]);
        check("a 1\ncommit\nb 2\n  commit  \n", &["a 1", "b 2"]);
        check("a 'x\ncommit\ny'\ncommit", &["a 'x\ncommit\ny'"]);
        check("a \\\ncommit\nb", &["a \\\ncommit\nb"]);
        check("commit b\n", &["commit b"]);
    }
}
