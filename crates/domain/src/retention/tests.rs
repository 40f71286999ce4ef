use super::*;

mod policy;
