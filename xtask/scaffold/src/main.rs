//! Renders a cargo-generate template, without questions.
//!
//! ```text
//! scaffold TEMPLATES SUBFOLDER DESTINATION NAME [KEY=VALUE]...
//! ```
//!
//! The folder `DESTINATION/NAME` is made as by `cargo generate --path TEMPLATES SUBFOLDER`; its path is printed. Values
//! may also be in a file that `CARGO_GENERATE_TEMPLATE_VALUES_FILE` names. `cargo xtask new` checks the arguments and
//! tidies up after a failure, so this file only translates them.

use std::env;
use std::process::ExitCode;

use cargo_generate::{GenerateArgs, TemplatePath, Vcs};

fn main() -> ExitCode {
    let mut args = env::args().skip(1);
    let mut next = || args.next();
    let (Some(templates), Some(subfolder), Some(destination), Some(name)) = (next(), next(), next(), next()) else {
        eprintln!("usage: scaffold TEMPLATES SUBFOLDER DESTINATION NAME [KEY=VALUE]...");
        return ExitCode::from(2);
    };
    let request = GenerateArgs {
        // With `path`, the positional argument is the subfolder.
        template_path: TemplatePath { path: Some(templates), auto_path: Some(subfolder), ..TemplatePath::default() },
        destination: Some(destination.into()),
        name: Some(name),
        // The name is taken as it is: without this, `my_plugin` would become `my-plugin`.
        force: true,
        define: args.collect(),
        silent: true,
        quiet: true,
        vcs: Some(Vcs::None),
        // The members glob of the repository finds the crate; nobody else's workspace is edited.
        no_workspace: true,
        ..GenerateArgs::default()
    };
    match cargo_generate::generate(request) {
        Ok(made) => {
            println!("{}", made.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
