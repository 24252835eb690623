//! From a text as people type it to one that a speech engine reads right.

use super::figure::{self, Context, UNITS};
use super::letters;

/// Longest text taken, in characters, whatever the caller's own rule says: it bounds the work.
pub const MAX_INPUT_CHARS: usize = 4_000;

/// Words before a number that make it a code, read digit by digit.
const CODE_WORDS: [&str; 17] = [
    "کد",
    "رمز",
    "شماره",
    "پین",
    "تلفن",
    "موبایل",
    "همراه",
    "کارت",
    "شبا",
    "سریال",
    "پیگیری",
    "ملی",
    "code",
    "pin",
    "otp",
    "کدپستی",
    "شناسه",
];
/// How many words back a code word is looked for.
const CODE_WORD_REACH: usize = 5;
/// Words of numbers, between which «و» is spoken "o".
const NUMBER_WORDS: [&str; 40] = [
    "یک",
    "دو",
    "سه",
    "چهار",
    "پنج",
    "شش",
    "هفت",
    "هشت",
    "نه",
    "نُه",
    "ده",
    "یازده",
    "دوازده",
    "سیزده",
    "چهارده",
    "پانزده",
    "شانزده",
    "هفده",
    "هجده",
    "نوزده",
    "بیست",
    "سی",
    "چهل",
    "پنجاه",
    "شصت",
    "هفتاد",
    "هشتاد",
    "نود",
    "صد",
    "یکصد",
    "دویست",
    "سیصد",
    "چهارصد",
    "پانصد",
    "ششصد",
    "هفتصد",
    "هشتصد",
    "نهصد",
    "هزار",
    "میلیون",
];

/// A text that holds only letters, vowel marks, spaces and pauses: no digit, no sign that an
/// engine would name or take as a command.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Speakable(String);

impl Speakable {
    /// The text, for the speech engine.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Wraps words that this module composed itself.
    pub(super) fn ours(text: String) -> Self {
        Self(text)
    }
}

impl std::fmt::Display for Speakable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text cannot be spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextRefusal {
    /// Nothing but spaces.
    #[error("the text is empty")]
    Empty,
    /// Longer than the hard limit.
    #[error("the text is longer than {limit_chars} characters")]
    TooLong {
        /// The limit, in characters.
        limit_chars: usize,
    },
    /// Signs only: no letter and no digit.
    #[error("the text has no letter and no digit to speak")]
    Unspeakable,
}

/// A piece of the text read so far.
#[derive(Debug)]
enum Token {
    Word(String),
    /// A figure, in words already.
    Figure(String),
    Pause(char),
}

/// Makes a Persian text speakable: one form for each letter, figures in words, codes digit by
/// digit, signs in words or gone.
///
/// The caller has its own rule for the length; beyond [`MAX_INPUT_CHARS`] it is refused here too.
///
/// # Errors
/// [`TextRefusal`]; no text makes it panic.
pub fn normalise(text: &str) -> Result<Speakable, TextRefusal> {
    if text.chars().nth(MAX_INPUT_CHARS).is_some() {
        return Err(TextRefusal::TooLong { limit_chars: MAX_INPUT_CHARS });
    }
    if text.trim().is_empty() {
        return Err(TextRefusal::Empty);
    }
    let mut tokens = tokens(&letters::canonical(text));
    read_numbers_in_words(&mut tokens);
    let spoken = joined(&tokens);
    if spoken.chars().any(char::is_alphabetic) {
        Ok(Speakable(spoken))
    } else {
        Err(TextRefusal::Unspeakable)
    }
}

/// Cuts canonical text into words, figures and pauses.
fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        let used = if c.is_ascii_digit() || (c == '+' && starts_with_digit(after)) {
            let (words, used) = figure::read(rest, context(&tokens));
            tokens.push(Token::Figure(words));
            used
        } else if is_word_char(c) {
            let end = rest.find(|c| !is_word_char(c)).unwrap_or(rest.len());
            let word = rest[..end].trim_matches(['\u{200c}', '\'', '’']);
            if !word.is_empty() {
                tokens.push(Token::Word(word.to_owned()));
            }
            end
        } else {
            c.len_utf8() + sign(c, after, &mut tokens)
        };
        rest = &rest[used..];
    }
    tokens
}

/// Reads a sign; gives the bytes used after it.
fn sign(c: char, after: &str, tokens: &mut Vec<Token>) -> usize {
    let after_figure = matches!(tokens.last(), Some(Token::Figure(_)));
    let figure_next = starts_with_digit(after.trim_start_matches(' '));
    let word = match c {
        '.' if within_address(after, tokens) => "نقطه",
        '.' | '!' | '؟' | '؛' | '،' => return pause(c, tokens),
        '?' => return pause('؟', tokens),
        ';' => return pause('؛', tokens),
        '\n' => return pause('.', tokens),
        ',' | ':' | '(' | ')' | '/' => return pause('،', tokens),
        '$' | '€' | '£' | '﷼' if figure_next && !after_figure => {
            return before_figure(after, Some(unit(c)), tokens);
        }
        '%' if figure_next && !after_figure => {
            return before_figure(after, Some("درصد"), tokens);
        }
        '-' if after_figure && figure_next => "تا",
        '-' if starts_with_digit(after) => "منفی",
        '-' if after.starts_with([' ', '\n']) => return pause('،', tokens),
        '$' | '€' | '£' | '﷼' if after_figure => unit(c),
        '%' => "درصد",
        '+' => "به علاوه",
        '&' => "و",
        '=' => "مساوی",
        '*' => "ستاره",
        '#' => "مربع",
        '@' => "اَت",
        _ => return 0,
    };
    tokens.push(Token::Word(word.to_owned()));
    0
}

/// Whether a dot stands inside an address such as `avanak.ir`.
fn within_address(after: &str, tokens: &[Token]) -> bool {
    let latin_before = matches!(tokens.last(), Some(Token::Word(word))
        if word.ends_with(|c: char| c.is_ascii_alphabetic()));
    latin_before && after.starts_with(|c: char| c.is_ascii_alphabetic())
}

/// Reads the figure that follows a sign and puts the sign's word after it.
fn before_figure(after: &str, word: Option<&str>, tokens: &mut Vec<Token>) -> usize {
    let figure = after.trim_start_matches(' ');
    let (words, used) = figure::read(figure, Context::default());
    tokens.push(Token::Figure(words));
    tokens.extend(word.map(|word| Token::Word(word.to_owned())));
    after.len() - figure.len() + used
}

fn unit(sign: char) -> &'static str {
    match sign {
        '$' => "دلار",
        '€' => "یورو",
        '£' => "پوند",
        _ => "ریال",
    }
}

/// Notes a pause; of two in a row the stronger stays, and none begins the text.
fn pause(c: char, tokens: &mut Vec<Token>) -> usize {
    match tokens.last_mut() {
        Some(Token::Pause(last)) if ends_sentence(c) && !ends_sentence(*last) => *last = c,
        None | Some(Token::Pause(_)) => {}
        Some(_) => tokens.push(Token::Pause(c)),
    }
    0
}

fn ends_sentence(c: char) -> bool {
    matches!(c, '.' | '!' | '؟')
}

fn starts_with_digit(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

fn is_word_char(c: char) -> bool {
    c.is_alphabetic() || letters::is_mark(c) || c == '\'' || c == '’'
}

/// What the words of the running sentence tell about a figure that comes next.
fn context(tokens: &[Token]) -> Context {
    let before = tokens
        .iter()
        .rev()
        .take_while(|token| !matches!(token, Token::Pause(c) if ends_sentence(*c)))
        .filter_map(|token| if let Token::Word(word) = token { Some(word) } else { None });
    Context {
        code_named: before.take(CODE_WORD_REACH).any(|word| is_code_word(word)),
        hour_word_said: matches!(tokens.last(), Some(Token::Word(word)) if word == "ساعت"),
    }
}

/// Whether the word is one of [`CODE_WORDS`], with or without an ending such as «شماره‌ی».
fn is_code_word(word: &str) -> bool {
    let stem = word.split(['\u{200c}', '\u{650}']).next().unwrap_or(word).to_lowercase();
    CODE_WORDS.contains(&stem.as_str())
}

/// Numbers that were typed in words: «نه» before a unit is nine, not "no", «سی‌ام» is the
/// thirtieth, not "thirty I am", and «و» between two numbers is spoken "o".
fn read_numbers_in_words(tokens: &mut Vec<Token>) {
    for at in 0..tokens.len() {
        let nine = word(tokens, at) == Some("نه")
            && (word(tokens, at + 1).is_some_and(|next| UNITS.contains(&next))
                || (at > 0 && word(tokens, at - 1) == Some("ساعت"))
                || (at > 1 && word(tokens, at - 1) == Some("و") && is_number(tokens, at - 2)));
        if nine {
            tokens[at] = Token::Word("نُه".to_owned());
        } else if word(tokens, at) == Some("سی‌ام") {
            tokens[at] = Token::Word("سی‌اُم".to_owned());
        }
    }
    for at in (1..tokens.len().saturating_sub(1)).rev() {
        let joins =
            word(tokens, at) == Some("و") && is_number(tokens, at - 1) && is_number(tokens, at + 1);
        if joins {
            tokens.remove(at);
            if let Token::Word(before) = &mut tokens[at - 1] {
                before.push('\u{64f}');
            }
        }
    }
}

fn word(tokens: &[Token], at: usize) -> Option<&str> {
    match tokens.get(at) {
        Some(Token::Word(word)) => Some(word),
        _ => None,
    }
}

fn is_number(tokens: &[Token], at: usize) -> bool {
    word(tokens, at).is_some_and(|word| {
        NUMBER_WORDS.contains(&word.trim_end_matches('\u{64f}')) || word == "میلیارد"
    })
}

/// The tokens as one line.
fn joined(tokens: &[Token]) -> String {
    let mut line = String::new();
    for token in tokens {
        match token {
            Token::Pause(c) => line.push(*c),
            Token::Word(words) | Token::Figure(words) => {
                if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(words);
            }
        }
    }
    line
}
