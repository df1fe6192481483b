//! Errors as one line for people.

/// An error with its causes, outermost first; a cause that the text before it says already is left
/// out.
pub fn explain(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |text, cause| {
        let cause = cause.to_string();
        match text.as_str() {
            "" => cause,
            said if said.contains(&cause) => text,
            said => format!("{said}: {cause}"),
        }
    })
}

#[cfg(test)]
mod tests {
    use anyhow::{Context as _, anyhow};

    use super::explain;

    #[test]
    fn says_every_cause_once() {
        let error = anyhow!("no room").context("cannot write a: no room");
        assert_eq!(explain(&error), "cannot write a: no room");
        let error = Err::<(), _>(error).context("cannot start").unwrap_err();
        assert_eq!(explain(&error), "cannot start: cannot write a: no room");
    }
}
