//! Nothing to do: `links` in `Cargo.toml`, by which cargo refuses two versions of this crate in one gateway, asks for it.

fn main() {}
