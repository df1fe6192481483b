//! Names as the node has them: lower case, without the dot at the end.

use ilnp_dns::name::Name;

/// A name as the node has it.
pub fn text_of(name: &Name) -> String {
    let mut text = name.to_string();
    text.make_ascii_lowercase();
    if text.len() > 1 {
        text.pop();
    }
    text
}

/// The name that a text means, with or without the dot at its end; `None` when it is none.
pub fn name_of(text: &str) -> Option<Name> {
    let whole = match text.ends_with('.') {
        true => text.to_owned(),
        false => format!("{text}."),
    };
    let name: Name = whole.parse().ok()?;
    (name != Name::root()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_name_are_inverse() {
        for text in ["vm1.example.org", "a", "with\\.dot.example"] {
            assert_eq!(text_of(&name_of(text).unwrap()), text);
        }
        assert_eq!(
            text_of(&name_of("VM1.Example.ORG.").unwrap()),
            "vm1.example.org"
        );
        for none in ["", ".", "a..b", &"x".repeat(64)] {
            assert_eq!(name_of(none), None);
        }
    }
}
