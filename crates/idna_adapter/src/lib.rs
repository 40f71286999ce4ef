//! The Unicode tables that the crate `idna` judges host names by, put in place of the published `idna_adapter`.
//!
//! Natively it is the published crate, 1.2.2, as it is: the module `tables`. The web app needs no tables, since the only
//! host that it speaks to is that of its own page, which the browser has already checked and written in ASCII. They would
//! be an eighth of its size. So for wasm32 every host name is taken as it is written: the module `trusting`.

#![no_std]

#[cfg(not(target_arch = "wasm32"))]
mod tables;
#[cfg(target_arch = "wasm32")]
mod trusting;

#[cfg(not(target_arch = "wasm32"))]
pub use tables::*;
#[cfg(target_arch = "wasm32")]
pub use trusting::*;
