//! Nothing to do: `links` in `Cargo.toml`, by which cargo refuses two versions of this crate in one gateway, asks for it.

fn main() {
    // Or cargo would look at every file of the folder, which is another one for each set of plugins.
    println!("cargo::rerun-if-changed=build.rs");
}
