//! The options of the commands that stand in for Pacemaker's: short ones in clusters, long ones with `=` or a word after.

use std::collections::BTreeMap;

/// One option of a command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    /// `l`; a blank where there is none.
    pub(crate) short: char,
    /// `lifetime`, which is what it is called here.
    pub(crate) long: &'static str,
    /// What follows it.
    pub(crate) takes: Takes,
}

/// What follows an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    /// Nothing.
    Nothing,
    /// A value.
    Value,
    /// A value in the same word, or none: `-pRSC`, `--promotion=RSC`.
    Maybe,
}

pub(crate) const fn flag(short: char, long: &'static str) -> Known {
    Known { short, long, takes: Takes::Nothing }
}

pub(crate) const fn value(short: char, long: &'static str) -> Known {
    Known { short, long, takes: Takes::Value }
}

pub(crate) const fn maybe(short: char, long: &'static str) -> Known {
    Known { short, long, takes: Takes::Maybe }
}

/// What was given.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Given {
    options: BTreeMap<&'static str, String>,
    /// The same in their order, each as often as it was given.
    pub(crate) in_order: Vec<(&'static str, String)>,
    pub(crate) words: Vec<String>,
}

impl Given {
    fn take(&mut self, name: &'static str, value: String) {
        self.in_order.push((name, value.clone()));
        self.options.insert(name, value);
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.options.contains_key(name)
    }

    /// The value of the first of these that was given one.
    pub(crate) fn get(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.options.get(*name).map(String::as_str))
    }
}

/// Reads a command line by these lists; what is not carried is refused by name.
pub(crate) fn read(known: &[&[Known]], arguments: &[String]) -> Result<Given, String> {
    let known = || known.iter().copied().flatten();
    let mut given = Given::default();
    let mut rest = arguments.iter();
    while let Some(word) = rest.next() {
        if let Some(long) = word.strip_prefix("--") {
            let (name, value) = long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value)));
            let found = known().find(|it| it.long == name);
            let option = found.ok_or_else(|| format!("the option --{name} is not carried"))?;
            let value = match (option.takes, value) {
                (Takes::Value, None) => rest.next().cloned().ok_or_else(|| format!("--{name} wants a value"))?,
                (_, value) => value.unwrap_or_default().to_owned(),
            };
            given.take(option.long, value);
        } else if let Some(cluster) = word.strip_prefix('-').filter(|cluster| !cluster.is_empty()) {
            for (at, letter) in cluster.char_indices() {
                let found = known().find(|it| it.short == letter);
                let option = found.ok_or_else(|| format!("the option -{letter} is not carried"))?;
                let attached = &cluster[at + letter.len_utf8()..];
                let value = match option.takes {
                    Takes::Nothing => String::new(),
                    Takes::Maybe => attached.to_owned(),
                    Takes::Value if attached.is_empty() => {
                        rest.next().cloned().ok_or_else(|| format!("-{letter} wants a value"))?
                    }
                    Takes::Value => attached.to_owned(),
                };
                given.take(option.long, value);
                if option.takes != Takes::Nothing {
                    break;
                }
            }
        } else {
            given.words.push(word.clone());
        }
    }
    Ok(given)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[Known] = &[flag('Q', "quiet"), value('n', "name"), value('v', "update"), maybe('p', "promotion")];

    fn given(line: &str) -> Result<Given, String> {
        let words: Vec<String> = line.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect();
        read(&[KNOWN], &words)
    }

    #[test]
    fn every_way_to_write_an_option_is_read() {
        for line in
            ["-n a -v -5 -Q", "-na -v-5 -Q", "-Qn a -v -5", "--name a --update=-5 --quiet", "--name=a --update -5 -Q"]
        {
            let read = given(line).unwrap_or_else(|error| panic!("{line}: {error}"));
            assert_eq!((read.get(&["name"]), read.get(&["update"])), (Some("a"), Some("-5")), "{line}");
            assert!(read.has("quiet") && !read.has("promotion"), "{line}");
        }
        let read = given("-p -v 5 word").expect("it is read");
        assert_eq!((read.get(&["promotion"]), read.words.as_slice()), (Some(""), &["word".to_owned()][..]));
        assert_eq!(given("--promotion=rsc").expect("read").get(&["other", "promotion"]), Some("rsc"));
    }

    #[test]
    fn what_is_not_carried_is_named() {
        assert_eq!(given("-n a -z").expect_err("unknown"), "the option -z is not carried");
        assert_eq!(given("--xml-file=x").expect_err("unknown"), "the option --xml-file is not carried");
        assert_eq!(given("-n").expect_err("cut"), "-n wants a value");
        assert_eq!(given("--name").expect_err("cut"), "--name wants a value");
    }
}
