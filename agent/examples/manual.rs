//! Writes manual pages and shell completions for `serf` into a directory:
//!
//! ```text
//! cargo run -p serf --example manual -- target/manual
//! ```

use std::io;
use std::path::{Path, PathBuf};

use clap_complete::Shell;

fn main() -> io::Result<()> {
    let Some(directory) = std::env::args_os().nth(1).map(PathBuf::from) else {
        return Err(io::Error::other("usage: manual DIRECTORY"));
    };
    let manual = directory.join("man1");
    std::fs::create_dir_all(&manual)?;
    clap_mangen::generate_to(serf_agent::cli::describe(), &manual)?;

    let completions = directory.join("completions");
    std::fs::create_dir_all(&completions)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        complete(shell, &completions)?;
    }
    Ok(())
}

fn complete(shell: Shell, directory: &Path) -> io::Result<()> {
    let mut command = serf_agent::cli::describe();
    clap_complete::generate_to(shell, &mut command, "serf", directory)?;
    Ok(())
}
