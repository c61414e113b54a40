//! How a definition names a plugin, and the crate that it means: one rule, for the running gateway and for whoever builds
//! one.

/// `crate::name`, or a name alone: the crate, if it is said, and the name.
#[must_use]
pub fn split(name: &str) -> (Option<&str>, &str) {
    match name.split_once("::") {
        Some((krate, name)) => (Some(krate), name),
        None => (None, name),
    }
}

/// The crate that a file name means: without folder, `.so`, and the version that Tyk's compiler appends
/// (`_v5.3.0_linux_amd64`).
#[must_use]
pub fn stem(path: &str) -> &str {
    let file = path.rsplit(['/', '\\']).next().unwrap_or(path);
    let file = file.strip_suffix(".so").unwrap_or(file);
    let mut parts = file.rsplitn(4, '_');
    let (arch, os, version, base) = (parts.next(), parts.next(), parts.next(), parts.next());
    match (base, version, os, arch) {
        (Some(base), Some(version), Some(_), Some(_)) if is_version(version) && !base.is_empty() => base,
        _ => file,
    }
}

/// Whether two names are those of one crate: `-` and `_` are alike, as in Rust itself.
#[must_use]
pub fn same_crate(a: &str, b: &str) -> bool {
    let plain = |c: char| if c == '-' { '_' } else { c };
    a.chars().map(plain).eq(b.chars().map(plain))
}

fn is_version(text: &str) -> bool {
    let digits = text.strip_prefix('v').unwrap_or(text);
    digits.starts_with(|c: char| c.is_ascii_digit()) && digits.contains('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Source: plugin-system.md §10.2, goplugin/plugin_name_builder_test.go:29: the version in a file's name may be there or
    /// not, with or without `v`; the plugin is the same.
    #[test]
    fn a_stem_loses_folder_extension_and_version() {
        let cases = [
            ("", ""),
            ("a.so", "a"),
            ("/x/y/a_b.so", "a_b"),
            ("C:\\plugins\\a-b.so", "a-b"),
            ("a_v1.2.3_linux_amd64.so", "a"),
            ("a_1.2_linux_arm64", "a"),
            ("my_own_nice_plugin.so", "my_own_nice_plugin"),
            ("_v1.2.3_linux_amd64.so", "_v1.2.3_linux_amd64"),
        ];
        for (path, expected) in cases {
            assert_eq!(stem(path), expected, "{path}");
        }
    }

    #[test]
    fn dashes_and_underscores_are_alike() {
        assert!(same_crate("add-foo", "add_foo"));
        assert!(!same_crate("add-foo", "addfoo"));
    }

    #[test]
    fn a_name_may_say_its_crate() {
        assert_eq!(split("add-foo::AddFoo"), (Some("add-foo"), "AddFoo"));
        assert_eq!(split("AddFoo"), (None, "AddFoo"));
    }
}
