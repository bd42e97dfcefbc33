//! A new project: all files of a plugin that builds and passes at once, without the repository. They are the repository's own: the template,
//! under the new name, with SDK and contract beside it.

mod lock;
mod manifest;

use super::sources::{CONTRACT, LICENCE, SDK, TEMPLATE};

/// The template's name, which occurs in its files wherever the plugin's is meant.
const TEMPLATE_NAME: &str = "template";
/// Where SDK and contract are put. The SDK looks for the contract beside itself.
const VENDORED: &str = "synod";
/// Longest name, as the host has it.
const LONGEST: usize = 64;

/// Names that a crate cannot have, or that would be another crate's.
const TAKEN: [&str; 12] = [
    "alloc",
    "core",
    "ndarray",
    "proc-macro",
    "schemars",
    "serde",
    "serde-json",
    "serde-path-to-error",
    "std",
    "synod-sdk",
    "test",
    "wit-bindgen",
];

/// Rust's words, of which none can be a crate.
const KEYWORDS: [&str; 51] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn", "else", "enum", "extern",
    "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv",
    "pub", "ref", "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof", "unsafe", "unsized", "use",
    "virtual", "where", "while", "yield",
];

/// Checks the name of a plugin: it is the name of a crate as well, and of a file.
///
/// # Errors
/// What is wrong, and how to mend it.
pub fn check_name(name: &str) -> Result<(), String> {
    let word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if name.len() > LONGEST {
        return Err(format!("a plugin's name has at most {LONGEST} characters, this one has {}", name.chars().count()));
    }
    if !name.starts_with(|first: char| first.is_ascii_lowercase()) || !name.split('-').all(word) {
        let like = alike(name).map(|like| format!("; write `{like}`")).unwrap_or_default();
        return Err(format!("{name:?} is no name of a plugin: lower-case letters, digits and single hyphens, with a letter first{like}"));
    }
    if KEYWORDS.contains(&name) {
        return Err(format!("`{name}` is a word of Rust's, and cannot be a crate: write `{name}-detector`, say"));
    }
    if TAKEN.contains(&name) {
        return Err(format!("`{name}` is the name of another crate that the plugin needs: write `{name}-detector`, say"));
    }
    Ok(())
}

/// The nearest name that could be one.
fn alike(name: &str) -> Option<String> {
    let lower: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    let words: Vec<&str> = lower.split('-').filter(|word| !word.is_empty()).collect();
    let like = words.join("-");
    like.starts_with(|first: char| first.is_ascii_lowercase()).then_some(like)
}

/// The files of a new project, by their paths in its folder. The name must have passed [`check_name`].
pub fn files(name: &str) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = Vec::new();
    for (path, text) in TEMPLATE {
        let named = text.replace(TEMPLATE_NAME, name);
        files.push(((*path).to_owned(), if *path == "Cargo.toml" { manifest::manifest(&named) } else { named }));
    }
    for (folder, sources) in [("sdk", SDK), ("wit", CONTRACT)] {
        files.extend(sources.iter().map(|(path, text)| (format!("{VENDORED}/{folder}/{path}"), (*text).to_owned())));
    }
    files.push((format!("{VENDORED}/LICENSE"), LICENCE.to_owned()));
    files.push(("Cargo.lock".into(), lock::lock(name)));
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        for name in ["a", "payments", "spend-velocity", "a1-b2", "template", "forest-2"] {
            check_name(name).unwrap();
        }
        let long = "a".repeat(65);
        let bad = [
            ("", "no name"),
            ("Payments", "write `payments`"),
            ("spend_velocity", "write `spend-velocity`"),
            ("--help", "write `help`"),
            ("2fast", "no name"),
            ("a--b", "write `a-b`"),
            ("a-", "write `a`"),
            ("../etc", "write `etc`"),
            ("a/b", "write `a-b`"),
            ("ärger", "no name"),
            ("a\u{1b}[31m", "\\u{1b}"),
            ("match", "a word of Rust's"),
            ("while", "a word of Rust's"),
            ("serde", "another crate"),
            ("synod-sdk", "another crate"),
            ("core", "another crate"),
            (&long, "at most 64"),
        ];
        for (name, said) in bad {
            let error = check_name(name).unwrap_err();
            assert!(error.contains(said), "{name}: {error}");
        }
    }

    #[test]
    fn all_that_a_project_needs_carries_its_name() {
        let files = files("spend-velocity");
        let text = |path: &str| &files.iter().find(|(known, _)| known == path).unwrap_or_else(|| panic!("no {path}")).1;
        for path in ["Cargo.toml", "README.md", "Cargo.lock"] {
            assert!(text(path).contains("spend-velocity"), "{path}");
        }
        assert!(files.iter().filter(|(path, _)| !path.starts_with("synod/")).all(|(_, text)| !text.contains(TEMPLATE_NAME)));
        assert!(text("synod/wit/detector.wit").contains("package synod:detector@2"));
        assert!(files.iter().all(|(path, _)| !path.starts_with('/') && !path.contains("..")));
    }
}
