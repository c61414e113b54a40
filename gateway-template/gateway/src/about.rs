//! What this gateway was built from, for `gateway version` and `gateway sbom`. The builder fills it in.

{{about}}
