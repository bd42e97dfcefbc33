//! The project's Cargo.lock: the part of the repository's that template and SDK rest on, so that a new project builds with the versions that
//! were tested, also where nothing can be fetched but what is there.

use super::TEMPLATE_NAME;
use crate::plugin::sources::LOCK;
use std::collections::BTreeSet;

/// The separator of packages.
const PACKAGE: &str = "[[package]]\n";

/// One package of a lock file.
struct Package<'a> {
    name: &'a str,
    version: &'a str,
    text: &'a str,
}

/// The lock of a project of this name.
pub(super) fn lock(name: &str) -> String {
    let mut parts = LOCK.split(PACKAGE);
    let head = parts.next().unwrap_or_default();
    let all: Vec<Package<'_>> = parts.map(package).collect();
    let mut needed: Vec<(String, &str, String)> = Vec::new();
    for place in closure(&all, TEMPLATE_NAME) {
        let Package { name: known, version, text } = all[place];
        let renamed = format!("name = \"{name}\"");
        match known == TEMPLATE_NAME {
            true => needed.push((name.to_owned(), version, text.replacen(&format!("name = \"{known}\""), &renamed, 1))),
            false => needed.push((known.to_owned(), version, text.to_owned())),
        }
    }
    needed.sort();
    let packages: Vec<String> = needed.iter().map(|(_, _, text)| format!("{PACKAGE}{}\n", plain(text, &needed).trim_end())).collect();
    head.to_owned() + &packages.join("\n")
}

/// Names dependencies as cargo does: with the version only where there are several.
fn plain(text: &str, needed: &[(String, &str, String)]) -> String {
    let is_only = |wanted: &str| needed.iter().filter(|(name, _, _)| name == wanted).count() == 1;
    let only = dependencies(text).filter_map(|(name, version)| Some((name, version.filter(|_| is_only(name))?)));
    only.fold(text.to_owned(), |text, (name, version)| text.replace(&format!(" \"{name} {version}\""), &format!(" \"{name}\"")))
}

fn package(text: &str) -> Package<'_> {
    let value =
        |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"')).unwrap_or_default();
    Package { name: value("name"), version: value("version"), text }
}

/// All that a package rests on, itself included.
fn closure(all: &[Package<'_>], root: &str) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let mut open: Vec<usize> = all.iter().position(|package| package.name == root).into_iter().collect();
    while let Some(place) = open.pop() {
        if found.insert(place) {
            open.extend(dependencies(all[place].text).filter_map(|(name, version)| {
                all.iter().position(|package| package.name == name && version.is_none_or(|version| package.version == version))
            }));
        }
    }
    found
}

/// The dependencies of a package, with the version where there are several.
fn dependencies(text: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    let listed = text.split_once("dependencies = [\n").map_or("", |(_, rest)| rest.split(']').next().unwrap_or_default());
    listed.lines().filter_map(|line| {
        let mut words = line.trim().trim_matches(|c| c == '"' || c == ',').split(' ');
        Some((words.next().filter(|name| !name.is_empty())?, words.next()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_what_is_needed_and_little_else() {
        let text = lock("zebra");
        let names: Vec<&str> = text.split(PACKAGE).skip(1).map(|text| package(text).name).collect();
        for needed in ["ndarray", "schemars", "serde", "serde_json", "synod-sdk", "wit-bindgen", "zebra"] {
            assert!(names.contains(&needed), "{needed} in {names:?}");
        }
        assert!(names.is_sorted() && !names.contains(&TEMPLATE_NAME) && !names.contains(&"tokio"), "{names:?}");
        assert!(names.len() < 100, "{names:?}");
        assert!(text.contains(" \"ndarray\",\n") && text.contains(" \"syn 2."), "versions stand where there are several:\n{text}");
        assert!(text.starts_with("# This file") && text.contains("\nversion = 4\n"), "{}", &text[..200]);
    }
}
