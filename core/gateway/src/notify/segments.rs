//! How many parts a text message takes. The alphabet of GSM (3GPP TS 23.038) has seven bits a character and gives 160 of them to a message, or
//! 153 to each of several; a single character outside of it makes the whole text UTF-16, with 70 or 67 units.

/// What a text is sent in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Alphabet {
    Gsm,
    Utf16,
}

/// The basic table but for the escape.
const BASIC: &str =
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
/// Those that take an escape before them.
const EXTENDED: &str = "\u{c}^{}\\[~]|€";
/// What stands for what was cut off.
const CUT: &str = "...";

impl Alphabet {
    fn of(text: &str) -> Self {
        let is_gsm = |c: char| BASIC.contains(c) || EXTENDED.contains(c);
        if text.chars().all(is_gsm) { Self::Gsm } else { Self::Utf16 }
    }

    /// The units of a message that is alone, and of one of several.
    fn room(self) -> (usize, usize) {
        match self {
            Self::Gsm => (160, 153),
            Self::Utf16 => (70, 67),
        }
    }

    fn units(self, c: char) -> usize {
        match self {
            Self::Gsm => 1 + usize::from(EXTENDED.contains(c)),
            Self::Utf16 => c.len_utf16(),
        }
    }

    /// The parts that a text takes. No character is divided between two.
    fn parts(self, text: &str) -> usize {
        let (alone, of_several) = self.room();
        if text.chars().map(|c| self.units(c)).sum::<usize>() <= alone {
            return 1;
        }
        let (mut parts, mut used) = (1, 0);
        for units in text.chars().map(|c| self.units(c)) {
            if used + units > of_several {
                (parts, used) = (parts + 1, 0);
            }
            used += units;
        }
        parts
    }
}

/// How many parts a text takes.
pub(super) fn parts(text: &str) -> usize {
    Alphabet::of(text).parts(text)
}

/// A text that takes at most so many parts: with what can be written in GSM's alphabet written in it, and cut if it is too long.
pub(super) fn fitted(text: &str, most: usize) -> String {
    let text: String = text.chars().map(plain).collect::<Vec<_>>().concat();
    if parts(&text) <= most {
        return text;
    }
    // Cutting may take away all that needed the larger alphabet, so the longest beginning that fits is looked for by what it takes.
    let ends: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    let fits = |end: &usize| parts(&format!("{}{CUT}", &text[..*end])) <= most;
    let end = ends.iter().rev().find(|end| fits(end)).copied().unwrap_or(0);
    format!("{}{CUT}", text[..end].trim_end())
}

/// Signs that look alike, line ends and blanks, in the small alphabet.
fn plain(c: char) -> String {
    match c {
        '`' | '´' | '‘' | '’' => "'".into(),
        '“' | '”' | '„' | '«' | '»' => "\"".into(),
        '–' | '—' | '‐' | '‑' => "-".into(),
        '…' => CUT.into(),
        '\u{a0}' => " ".into(),
        c if c.is_whitespace() => " ".into(),
        c if c.is_control() => String::new(),
        c => c.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_counted_as_the_networks_count() {
        let table = [
            (String::new(), 1),
            ("a".repeat(160), 1),
            ("a".repeat(161), 2),
            ("a".repeat(306), 2),
            ("a".repeat(307), 3),
            ("€".repeat(80), 1),
            ("€".repeat(81), 2),
            // 153 is odd: the 77th does not fit into the first part any more.
            ("€".repeat(152), 2),
            ("€".repeat(153), 3),
            ("ж".repeat(70), 1),
            ("ж".repeat(71), 2),
            ("ж".repeat(134), 2),
            ("ж".repeat(135), 3),
            ("🙂".repeat(35), 1),
            ("🙂".repeat(36), 2),
            ("🙂".repeat(66), 2),
            ("🙂".repeat(67), 3),
            ("a".repeat(159) + "ж", 3),
        ];
        for (text, expected) in table {
            assert_eq!(parts(&text), expected, "{} of {:?}", text.chars().count(), text.chars().next());
        }
        assert_eq!(BASIC.chars().count(), 127);
    }

    #[test]
    fn a_text_is_cut_where_it_has_to_be() {
        assert_eq!(fitted("`a` – “b”…\tc\u{7}\n", 2), "'a' - \"b\"... c ");
        for text in
            ["x".repeat(500), "ж".repeat(500), "€".repeat(500), "🙂".repeat(500), format!("{}ж", "x".repeat(500)), "a b ".repeat(150)]
        {
            for most in 1..=3 {
                let fitted = fitted(&text, most);
                assert!(parts(&fitted) == most && fitted.ends_with(CUT), "{fitted}");
            }
        }
        // What made it long is gone.
        assert!(fitted(&format!("{}ж", "x".repeat(500)), 2).len() > 250);
    }
}
