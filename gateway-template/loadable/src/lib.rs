//! One plugin crate as a file that a gateway loads.

{{plugin_uses}}

gateway_loadable::export!();
