//! Owns [`cut`]: text from a peer or for it, at most so long.

/// The beginning of `text`, at most `limit` bytes and not inside a character.
pub(super) fn cut(text: &str, limit: usize) -> &str {
    // `str::floor_char_boundary` would do, but is younger than the MSRV.
    let end = (0..=limit.min(text.len())).rev().find(|&at| text.is_char_boundary(at));
    &text[..end.unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_at_a_character() {
        assert_eq!(cut("abc", 9), "abc");
        assert_eq!(cut(&"é".repeat(200), 256).len(), 256);
        assert_eq!(cut(&format!("x{}", "é".repeat(200)), 256).len(), 255);
    }
}
