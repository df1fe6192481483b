//! The entries of a master file (RFC 1035 §5.1): words, with their places in the text.

/// A word, with escapes as they stand in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word<'a> {
    pub(super) text: &'a str,
    /// Where it begins, in octets from the start of the file.
    pub(super) offset: usize,
    /// Whether it stood between quotes, which are not part of it.
    pub(super) quoted: bool,
}

/// A line, or several that parentheses hold together. It has at least one word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    pub(super) words: Vec<Word<'a>>,
    /// Whether it begins with white space: it is about the name before, then.
    pub(super) indented: bool,
}

/// Something that makes no entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) offset: usize,
    pub(super) message: String,
}

impl Fault {
    pub(super) fn new(offset: usize, message: impl Into<String>) -> Self {
        Self {
            offset,
            message: message.into(),
        }
    }
}

/// Reads one entry after the other; behind a fault it goes on with the next line.
pub(super) struct Entries<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Entries<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Reads up to the end of a line that is not within parentheses.
    fn entry(&mut self) -> Result<Entry<'a>, Fault> {
        let indented = self.rest().starts_with([' ', '\t']);
        let (mut words, mut open) = (Vec::new(), None);
        while let Some(next) = self.rest().chars().next() {
            let offset = self.at;
            match next {
                '\n' => {
                    self.at += 1;
                    if open.is_none() {
                        break;
                    }
                }
                ';' => self.skip_line(),
                ' ' | '\t' | '\r' => self.at += 1,
                '(' if open.is_some() => {
                    return Err(Fault::new(offset, "found \"(\" within parentheses"));
                }
                '(' => (open, self.at) = (Some(offset), offset + 1),
                ')' if open.is_none() => {
                    return Err(Fault::new(offset, "found \")\" without a \"(\" before it"));
                }
                ')' => (open, self.at) = (None, offset + 1),
                '"' => words.push(self.quoted()?),
                _ => words.push(self.word()),
            }
        }
        match open {
            Some(offset) => Err(Fault::new(offset, "this parenthesis is never closed")),
            None => Ok(Entry { words, indented }),
        }
    }

    fn skip_line(&mut self) {
        self.at += self.rest().find('\n').unwrap_or_else(|| self.rest().len());
    }

    fn word(&mut self) -> Word<'a> {
        let ends = |c: char| matches!(c, ' ' | '\t' | '\r' | '\n' | '"' | ';' | '(' | ')');
        self.take(false, ends)
    }

    fn quoted(&mut self) -> Result<Word<'a>, Fault> {
        let offset = self.at;
        self.at += 1;
        let mut word = self.take(true, |c| matches!(c, '"' | '\n'));
        word.offset = offset;
        if !self.rest().starts_with('"') {
            return Err(Fault::new(offset, "this quote is not closed on its line"));
        }
        self.at += 1;
        Ok(word)
    }

    /// Takes characters up to one of those that end a word and that no backslash precedes.
    fn take(&mut self, quoted: bool, ends: impl Fn(char) -> bool) -> Word<'a> {
        let (offset, rest) = (self.at, self.rest());
        let mut escaped = false;
        let length = rest.find(|c| {
            let ended = c == '\n' || (!escaped && ends(c));
            escaped = c == '\\' && !escaped;
            ended
        });
        let text = &rest[..length.unwrap_or(rest.len())];
        self.at += text.len();
        Word {
            text,
            offset,
            quoted,
        }
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest().is_empty() {
            match self.entry() {
                Ok(entry) if entry.words.is_empty() => {}
                Ok(entry) => return Some(Ok(entry)),
                Err(fault) => {
                    self.skip_line();
                    return Some(Err(fault));
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &'static str) -> Vec<(bool, Vec<&'static str>)> {
        let entries = Entries::of(text).map(Result::unwrap);
        let texts = |entry: &Entry<'static>| entry.words.iter().map(|word| word.text).collect();
        entries
            .map(|entry| (entry.indented, texts(&entry)))
            .collect()
    }

    #[test]
    fn a_line_is_an_entry() {
        assert_eq!(
            words("a 5 IN\tNID x ; comment\r\n\n  b\n;c\nd"),
            [
                (false, vec!["a", "5", "IN", "NID", "x"]),
                (true, vec!["b"]),
                (false, vec!["d"])
            ]
        );
    }

    #[test]
    fn parentheses_hold_lines_together() {
        assert_eq!(
            words("a SOA (1 ; serial\n 2\n)3\nb"),
            [(false, vec!["a", "SOA", "1", "2", "3"]), (false, vec!["b"])]
        );
    }

    #[test]
    fn quotes_and_backslashes_hold_words_together() {
        assert_eq!(
            words(r#"a "b; (c" d\ e\; "" "\"""#),
            [(false, vec!["a", "b; (c", r"d\ e\;", "", r#"\""#])]
        );
    }

    #[test]
    fn a_fault_is_told_where_it_is_and_the_next_line_is_read() {
        for (text, offset) in [
            ("a \"b\nc", 2),
            ("a )\nc", 2),
            ("a (b (\nc", 5),
            ("a \\\"b\" c\nc", 5),
        ] {
            let entries: Vec<_> = Entries::of(text).collect();
            assert_eq!(entries[0].as_ref().unwrap_err().offset, offset, "{text:?}");
            assert_eq!(entries[1].as_ref().unwrap().words[0].text, "c");
        }
        let entries: Vec<_> = Entries::of("a (\nb\n").collect();
        assert_eq!(entries[0].as_ref().unwrap_err().offset, 2);
        assert_eq!(entries.len(), 1);
    }
}
