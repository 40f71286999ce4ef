//! Answers to what `idna` asks of Unicode that let every host name pass as it is written.

/// Knows nothing of any character.
#[derive(Default)]
pub struct Adapter;

impl Adapter {
    pub const fn new() -> Self {
        Self
    }

    /// A joiner is only allowed after a virama: everything is one.
    pub fn is_virama(&self, _: char) -> bool {
        true
    }

    /// A label must not begin with a mark: nothing is one.
    pub fn is_mark(&self, _: char) -> bool {
        false
    }

    pub fn bidi_class(&self, _: char) -> BidiClass {
        BidiClass
    }

    pub fn joining_type(&self, _: char) -> JoiningType {
        JoiningType
    }

    pub fn map_normalize<'a, I: Iterator<Item = char> + 'a>(&'a self, text: I) -> impl Iterator<Item = char> + 'a {
        text
    }

    pub fn normalize_validate<'a, I: Iterator<Item = char> + 'a>(&'a self, text: I) -> impl Iterator<Item = char> + 'a {
        text
    }
}

/// A direction of writing; there is only left to right.
#[derive(Clone, Copy)]
pub struct BidiClass;

impl BidiClass {
    pub fn to_mask(self) -> BidiClassMask {
        BidiClassMask(true)
    }

    pub fn is_ltr(self) -> bool {
        true
    }

    pub fn is_nonspacing_mark(self) -> bool {
        false
    }

    pub fn is_european_number(self) -> bool {
        false
    }

    pub fn is_arabic_number(self) -> bool {
        false
    }
}

/// Whether left to right is among some directions.
#[derive(Clone, Copy)]
pub struct BidiClassMask(bool);

impl BidiClassMask {
    pub fn intersects(self, other: BidiClassMask) -> bool {
        self.0 && other.0
    }
}

pub const RTL_MASK: BidiClassMask = BidiClassMask(false);
pub const FIRST_BC_MASK: BidiClassMask = BidiClassMask(true);
pub const LAST_LTR_MASK: BidiClassMask = BidiClassMask(true);
pub const LAST_RTL_MASK: BidiClassMask = BidiClassMask(false);
pub const MIDDLE_LTR_MASK: BidiClassMask = BidiClassMask(true);
pub const MIDDLE_RTL_MASK: BidiClassMask = BidiClassMask(false);

/// How a letter joins its neighbours: not at all.
#[derive(Clone, Copy)]
pub struct JoiningType;

impl JoiningType {
    pub fn to_mask(self) -> JoiningTypeMask {
        JoiningTypeMask
    }

    pub fn is_transparent(self) -> bool {
        false
    }
}

/// Some ways of joining.
#[derive(Clone, Copy)]
pub struct JoiningTypeMask;

impl JoiningTypeMask {
    pub fn intersects(self, _: JoiningTypeMask) -> bool {
        true
    }
}

pub const LEFT_OR_DUAL_JOINING_MASK: JoiningTypeMask = JoiningTypeMask;
pub const RIGHT_OR_DUAL_JOINING_MASK: JoiningTypeMask = JoiningTypeMask;
