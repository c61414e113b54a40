//! What a plugin measures.

use crate::abi::{self, Bytes};

pub(super) unsafe extern "C" fn metric(_call: *const abi::Call, _kind: i32, _name: Bytes, _value: f64) {}
