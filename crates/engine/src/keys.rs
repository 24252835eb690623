//! Keys of a telephone: some of them, and some in the order pressed.

use media::telephone_event::Key;

use crate::limits::MAX_KEYS;

/// Some of the sixteen keys of a telephone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeySet(u16);

impl KeySet {
    /// No key.
    pub const NONE: Self = Self(0);
    /// `0` to `9`.
    pub const DIGITS: Self = Self(0x03FF);
    /// Every key.
    pub const ALL: Self = Self(u16::MAX);

    /// The keys with these names. `None` when one of them is no key.
    pub fn of(names: &str) -> Option<Self> {
        names.chars().try_fold(Self::NONE, |set, name| {
            let key = Key::from_char(name)?;
            Some(Self(set.0 | (1 << key.event())))
        })
    }

    /// Whether this key is one of them.
    pub fn contains(self, name: char) -> bool {
        Key::from_char(name).is_some_and(|key| self.0 & (1 << key.event()) != 0)
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self == Self::NONE
    }
}

/// Keys in the order pressed, at most [`MAX_KEYS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Keys {
    pressed: [u8; MAX_KEYS],
    count: u8,
}

impl Keys {
    /// The keys with these names in this order. `None` when one of them is no key, or when there
    /// are too many.
    pub fn of(names: &str) -> Option<Self> {
        let mut keys = Self::default();
        names
            .chars()
            .all(|name| Key::from_char(name).is_some_and(|key| keys.push(key.as_char())))
            .then_some(keys)
    }

    /// Adds one key. `false` when there is no room for it.
    pub fn push(&mut self, key: char) -> bool {
        let (Some(place), Ok(byte)) =
            (self.pressed.get_mut(usize::from(self.count)), u8::try_from(key))
        else {
            return false;
        };
        *place = byte;
        self.count += 1;
        true
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        usize::from(self.count)
    }

    /// Whether nothing was pressed.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The keys in order.
    pub fn iter(&self) -> impl Iterator<Item = char> + '_ {
        self.pressed[..self.len()].iter().copied().map(char::from)
    }
}

impl std::fmt::Display for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.iter().try_for_each(|key| std::fmt::Write::write_char(f, key))
    }
}
