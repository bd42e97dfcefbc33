//! The project's Cargo.toml. What the repository states once for all of its crates (versions, lints, the profile of plugins) is taken from
//! there: the project is a workspace of its own, in which the SDK finds it.

use super::VENDORED;
use crate::plugin::sources::{SDK, WORKSPACE};

/// The SDK's crate, which is a path here.
const SDK_NAME: &str = "synod-sdk";

/// The manifest of a package, which is the template's under the plugin's name, as the root of a workspace with the SDK.
pub(super) fn manifest(package: &str) -> String {
    let sdk = SDK.iter().find(|(path, _)| *path == "Cargo.toml").map_or("", |(_, text)| text);
    let mut text = own(package);
    text += &format!(
        "\n[profile.release]\n{}\n# What follows is for the SDK, which came with `synod plugin new`.\n[workspace]\nresolver = \"3\"\nmembers = \
         [\"{VENDORED}/sdk\"]\n\n[workspace.package]\n{}\n[workspace.dependencies]\n",
        section("profile.plugin").replace("inherits = \"release\"\n", ""),
        section("workspace.package"),
    );
    for dependency in section("workspace.dependencies").lines() {
        let name = dependency.split(' ').next().unwrap_or_default();
        if name == SDK_NAME {
            text += &format!("{SDK_NAME} = {{ path = \"{VENDORED}/sdk\" }}\n");
        } else if [sdk, package].iter().any(|manifest| manifest.contains(&format!("\n{name}.workspace = true"))) {
            text += dependency;
            text += "\n";
        }
    }
    text + &format!("\n[workspace.lints.rust]\n{}", section("workspace.lints.rust"))
}

/// The package's own part. A plugin has a version and a licence of its own.
fn own(package: &str) -> String {
    let inherited = section("workspace.package");
    let mut text = String::new();
    for line in package.lines() {
        match line.strip_suffix(".workspace = true") {
            Some("version") => text += "version = \"0.1.0\"\n",
            Some("license") => {}
            Some(key) if inherited.lines().any(|known| known.starts_with(&format!("{key} ="))) => {
                text += inherited.lines().find(|known| known.starts_with(&format!("{key} ="))).unwrap_or_default();
                text += "\n";
            }
            _ => text = text + line + "\n",
        }
    }
    text
}

/// The lines of a section of the repository's manifest, without its remarks.
fn section(name: &str) -> String {
    let lines = WORKSPACE.lines().skip_while(|line| *line != format!("[{name}]")).skip(1).take_while(|line| !line.starts_with('['));
    lines.filter(|line| !line.starts_with('#') && !line.is_empty()).fold(String::new(), |text, line| text + line + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::sources::TEMPLATE;

    #[test]
    fn everything_that_is_inherited_is_stated() {
        let package = TEMPLATE.iter().find(|(path, _)| *path == "Cargo.toml").unwrap().1;
        let text = manifest(package);
        let (own, shared) = text.split_once("[workspace]\n").unwrap();
        let sdk = SDK.iter().find(|(path, _)| *path == "Cargo.toml").unwrap().1;
        let inherited =
            |text: &str| text.lines().filter_map(|line| line.strip_suffix(".workspace = true")).map(str::to_owned).collect::<Vec<_>>();
        let (of_own, of_sdk) = (inherited(own), inherited(sdk));
        assert!(of_own.len() >= 4 && of_sdk.len() >= 8, "{of_own:?} {of_sdk:?}");
        for name in of_own.iter().chain(&of_sdk) {
            assert!(shared.lines().any(|line| line.starts_with(&format!("{name} ="))), "{name} in\n{text}");
        }
        assert!(own.contains("version = \"0.1.0\"\nedition = \"20") && own.contains("[profile.release]\nopt-level = 3\n"), "{text}");
        assert!(!own.contains("license") && !text.contains("inherits"), "{text}");
        assert!(text.ends_with("unreachable_pub = \"warn\"\n") && text.contains("unsafe_code = \"deny\""), "{text}");
    }
}
