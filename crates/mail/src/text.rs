//! Text of headers and bodies.
pub fn decode_words(value: &[u8]) -> String {
    String::from_utf8_lossy(value).into_owned()
}
pub fn decode_charset(_charset: &[u8], bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
pub fn fold_case(text: &str) -> String {
    text.to_lowercase()
}
